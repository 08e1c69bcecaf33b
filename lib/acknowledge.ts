import { type CfnElement, Stack, Validations } from 'aws-cdk-lib';
import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct, type IConstruct } from 'constructs';

/** Findings that are as they should be, one by one, each with its reason. What is found beside them still fails. */
export const acknowledge = {
  finding(construct: IConstruct, id: string, reason: string): void {
    Validations.of(construct).acknowledge({ id: `AwsSolutions-${id}`, reason });
  },

  /** What CloudFormation's own rules warn of. */
  warning(construct: IConstruct, id: string, reason: string): void {
    Validations.of(construct).acknowledge({ id: `CloudFormation-Validate::${id}`, reason });
  },

  /** A statement on "*". */
  everyResource(grantee: IGrantable, reason: string): void {
    findingOf(grantee, 'IAM5[Resource::*]', reason);
  },

  /** A statement on all objects of a bucket whose key begins with `prefix`. */
  objectsOf(bucket: IBucket, objects: string, grantee: IGrantable, reason: string): void {
    const logicalId = Stack.of(bucket).getLogicalId(bucket.node.defaultChild as CfnElement);
    findingOf(grantee, `IAM5[Resource::<${logicalId}.Arn>/${objects}]`, reason);
  },
};

/** Where the policy of the grantee is, if it is of this app. */
function findingOf({ grantPrincipal }: IGrantable, id: string, reason: string): void {
  if (Construct.isConstruct(grantPrincipal)) acknowledge.finding(grantPrincipal, id, reason);
}
