import { Duration, type RemovalPolicy } from 'aws-cdk-lib';
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption, type CfnBucket, type IBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { grantDecrypt, grantEncrypt } from './data-key.ts';
import { kept } from './kept.ts';

export type DataBucketProps = {
  /** @default keys that S3 manages */
  readonly encryptionKey?: IKey | undefined;
  /** Who reads and writes is written there, under the bucket's own prefix. @default not logged */
  readonly accessLogBucket?: IBucket | undefined;
  /** How long objects stay, by the prefix of their keys; '' for all. @default for ever */
  readonly expirations?: Readonly<Record<string, Duration>> | undefined;
  /** Every put is a version of its own, and stays this long after another has replaced it. @default a put replaces what was there */
  readonly replacedRetention?: Duration | undefined;
  /** Whether rules of EventBridge see its new objects. @default false */
  readonly tellsEventBridge?: boolean | undefined;
  /** @default the bucket and what is in it stay when the stack goes */
  readonly removalPolicy?: RemovalPolicy | undefined;
};

/** What a reader still goes by may have been replaced by puts that nobody came to name: the newest of those stay however old they are. */
const replacedRule = { noncurrentVersionsToRetain: 10, expiredObjectDeleteMarker: true };

/** A private bucket: no public access, TLS only, encrypted, and no parts of broken uploads left to pay for. */
export function makeDataBucket(scope: Construct, id: string, props: DataBucketProps = {}): IBucket {
  const { encryptionKey, accessLogBucket, expirations = {}, replacedRetention, tellsEventBridge = false } = props;
  const { removalPolicy = kept } = props;
  const bucket = new Bucket(scope, id, {
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    enforceSSL: true,
    minimumTLSVersion: 1.2,
    ...(encryptionKey === undefined
      ? { encryption: BucketEncryption.S3_MANAGED }
      : { encryption: BucketEncryption.KMS, encryptionKey, bucketKeyEnabled: true }),
    ...(accessLogBucket && { serverAccessLogsBucket: accessLogBucket, serverAccessLogsPrefix: `${scope.node.id}/${id}/` }),
    ...(replacedRetention && { versioned: true }),
    lifecycleRules: [
      ...(replacedRetention ? [{ ...replacedRule, noncurrentVersionExpiration: replacedRetention }] : []),
      { abortIncompleteMultipartUploadAfter: Duration.days(1) },
      ...Object.entries(expirations).map(([prefix, expiration]) => ({ ...(prefix !== '' && { prefix }), expiration })),
    ],
    removalPolicy,
  });
  // CDK's own property for it makes a custom resource.
  if (tellsEventBridge)
    (bucket.node.defaultChild as CfnBucket).notificationConfiguration = { eventBridgeConfiguration: { eventBridgeEnabled: true } };
  // The class says less exactly than its interface which properties may be undefined.
  return bucket as IBucket;
}

/** Action by action: the grant of CDK has wildcards in its actions. */
export function grantReadObjects(bucket: IBucket, grantee: IGrantable): void {
  Grant.addToPrincipal({ grantee, actions: ['s3:GetBucketLocation', 's3:ListBucket'], resourceArns: [bucket.bucketArn] });
  Grant.addToPrincipal({ grantee, actions: ['s3:GetObject'], resourceArns: [bucket.arnForObjects('*')] });
  if (bucket.encryptionKey) grantDecrypt(bucket.encryptionKey, grantee);
}

/** For who keeps something aside under a prefix; `objects` says what these are, for whoever looks over the rights. */
export function grantPutObjects(bucket: IBucket, prefix: string, grantee: IGrantable, objects: string): void {
  Grant.addToPrincipal({ grantee, actions: ['s3:PutObject'], resourceArns: [bucket.arnForObjects(`${prefix}*`)] });
  if (bucket.encryptionKey) grantEncrypt(bucket.encryptionKey, grantee);
  acknowledge.objectsOf(bucket, `${prefix}*`, grantee, objects);
}
