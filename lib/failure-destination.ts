import { Stack } from 'aws-cdk-lib';
import type { DlqDestinationConfig, IEventSourceDlq, IEventSourceMapping, IFunction } from 'aws-cdk-lib/aws-lambda';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { acknowledge } from './acknowledge.ts';
import { grantEncrypt } from './data-key.ts';

/**
 * Where Lambda puts a batch that it gives up: a bucket, the only destination that keeps the records themselves. The condition on the
 * account keeps the batch from a stranger who has taken over the name of a deleted bucket.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
 */
export class FailureDestination implements IEventSourceDlq {
  readonly #bucket: IBucket;

  constructor(bucket: IBucket) {
    this.#bucket = bucket;
  }

  bind(_mapping: IEventSourceMapping, handler: IFunction): DlqDestinationConfig {
    const { account } = Stack.of(handler);
    const { bucketArn, encryptionKey } = this.#bucket;
    handler.addToRolePolicy(
      new PolicyStatement({
        actions: ['s3:PutObject', 's3:ListBucket'],
        resources: [bucketArn, `${bucketArn}/*`],
        conditions: { StringEquals: { 's3:ResourceAccount': account } },
      }),
    );
    if (encryptionKey) grantEncrypt(encryptionKey, handler);
    acknowledge.objectsOf(this.#bucket, '*', handler, 'Lambda makes up the names of the objects that hold failed batches');
    return { destination: bucketArn };
  }
}
