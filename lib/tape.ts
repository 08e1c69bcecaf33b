import { Duration, type RemovalPolicy } from 'aws-cdk-lib';
import type { Metric, MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import type { Grant, IGrantable } from 'aws-cdk-lib/aws-iam';
import { Stream, StreamEncryption, StreamMode } from 'aws-cdk-lib/aws-kinesis';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { DataKey, grantDecrypt, grantEncrypt } from './data-key.ts';
import { kept } from './kept.ts';

export type TapeProps = {
  /**
   * Shards, each of which takes 1 MB and 1,000 records a second, or `on-demand` to let Kinesis decide. Two carry 1,500 tickers with 4 GB a
   * day several times over; a shard that packed frames fill costs a fifth of the same trades one by one on demand.
   * @default 2
   */
  readonly shardCount?: number | 'on-demand' | undefined;
  /** How far back a replay can start, and how long a consumer may stand still without loss; 24 hours to 365 days. @default 24 hours */
  readonly retention?: Duration | undefined;
  /** @default a customer key of its own */
  readonly encryptionKey?: IKey | undefined;
  /** @default the stream and its records stay when the stack goes */
  readonly removalPolicy?: RemovalPolicy | undefined;
};

/** The tape: a Kinesis stream of frames. The partition key of a record is its bucket, so that a bucket's trades stay in order. */
export class Tape extends Construct {
  readonly stream: Stream;
  readonly encryptionKey: IKey;
  readonly retention: Duration;

  constructor(scope: Construct, id: string, props: TapeProps = {}) {
    super(scope, id);
    const { shardCount = 2, retention = Duration.hours(24), removalPolicy = kept } = props;
    this.retention = retention;
    this.encryptionKey = props.encryptionKey ?? new DataKey(this, 'Key', { removalPolicy });
    this.stream = new Stream(this, 'Stream', {
      ...(shardCount === 'on-demand' ? { streamMode: StreamMode.ON_DEMAND } : { streamMode: StreamMode.PROVISIONED, shardCount }),
      retentionPeriod: retention,
      encryption: StreamEncryption.KMS,
      encryptionKey: this.encryptionKey,
      removalPolicy,
    });
    acknowledge.finding(
      this.stream,
      'KDS3',
      'the key is one for all data that rests, which can be withdrawn and shared with a feed elsewhere',
    );
  }

  /** For a feed: puts frames on the tape. */
  grantWrite(grantee: IGrantable): Grant {
    grantEncrypt(this.encryptionKey, grantee);
    return this.stream.grant(grantee, 'kinesis:PutRecord', 'kinesis:PutRecords', 'kinesis:ListShards', 'kinesis:DescribeStreamSummary');
  }

  /** For a consumer or a replay. */
  grantRead(grantee: IGrantable): Grant {
    grantDecrypt(this.encryptionKey, grantee);
    return this.stream.grant(
      grantee,
      'kinesis:DescribeStream',
      'kinesis:DescribeStreamSummary',
      'kinesis:GetRecords',
      'kinesis:GetShardIterator',
      'kinesis:ListShards',
    );
  }

  /** Age of the oldest record that is still to be read: rises when the consumer stands still. */
  metricIteratorAgeMs(options?: MetricOptions): Metric {
    return this.stream.metricGetRecordsIteratorAgeMilliseconds({ statistic: 'Maximum', ...options });
  }

  metricIncomingBytes(options?: MetricOptions): Metric {
    return this.stream.metricIncomingBytes({ statistic: 'Sum', ...options });
  }

  metricIncomingRecords(options?: MetricOptions): Metric {
    return this.stream.metricIncomingRecords({ statistic: 'Sum', ...options });
  }

  /** Above zero when the tape has too few shards for its feed. */
  metricWriteThrottled(options?: MetricOptions): Metric {
    return this.stream.metricWriteProvisionedThroughputExceeded({ statistic: 'Sum', ...options });
  }
}
