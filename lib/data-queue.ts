import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Queue, QueueEncryption, type QueueProps } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';

export type DataQueueProps = Pick<QueueProps, 'deadLetterQueue' | 'removalPolicy' | 'retentionPeriod' | 'visibilityTimeout'> & {
  readonly encryptionKey: IKey;
};

/** An encrypted queue, TLS only. */
export function makeDataQueue(scope: Construct, id: string, { encryptionKey, ...props }: DataQueueProps): Queue {
  return new Queue(scope, id, { encryption: QueueEncryption.KMS, encryptionMasterKey: encryptionKey, enforceSSL: true, ...props });
}
