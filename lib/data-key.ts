import type { RemovalPolicy } from 'aws-cdk-lib';
import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';
import { kept } from './kept.ts';

/** A customer key that AWS rotates every year. It outlives its stack by default: without it, what it encrypted is lost. */
export class DataKey extends Key {
  constructor(scope: Construct, id: string, { removalPolicy = kept }: { readonly removalPolicy?: RemovalPolicy | undefined } = {}) {
    super(scope, id, { enableKeyRotation: true, removalPolicy });
  }
}

/** Action by action: the grants of CDK have wildcards in their actions. */
export function grantDecrypt(key: IKey, grantee: IGrantable): void {
  key.grant(grantee, 'kms:Decrypt', 'kms:DescribeKey');
}

/** Enough for Kinesis, Firehose, SQS and S3; S3 decrypts too where an upload has parts. */
export function grantEncrypt(key: IKey, grantee: IGrantable): void {
  key.grant(grantee, 'kms:Decrypt', 'kms:GenerateDataKey');
}

/** @see https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html */
export function grantTableKey(key: IKey, grantee: IGrantable): void {
  key.grant(
    grantee,
    'kms:Decrypt',
    'kms:DescribeKey',
    'kms:Encrypt',
    'kms:GenerateDataKey',
    'kms:GenerateDataKeyWithoutPlaintext',
    'kms:ReEncryptFrom',
    'kms:ReEncryptTo',
  );
}
