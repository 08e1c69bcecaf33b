import { type CfnElement, Stack, Validations } from 'aws-cdk-lib';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { IConstruct } from 'constructs';

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
  everyResource(construct: IConstruct, reason: string): void {
    acknowledge.finding(construct, 'IAM5[Resource::*]', reason);
  },

  /** A statement on all objects of a bucket whose key begins with `prefix`. */
  objectsOf(bucket: IBucket, objects: string, construct: IConstruct, reason: string): void {
    const logicalId = Stack.of(bucket).getLogicalId(bucket.node.defaultChild as CfnElement);
    acknowledge.finding(construct, `IAM5[Resource::<${logicalId}.Arn>/${objects}]`, reason);
  },
};
