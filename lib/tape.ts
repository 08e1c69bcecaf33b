import { Duration, type RemovalPolicy } from 'aws-cdk-lib';
import type { Metric, MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import type { Grant, IGrantable } from 'aws-cdk-lib/aws-iam';
import { type IStream, Stream, StreamEncryption, StreamMode } from 'aws-cdk-lib/aws-kinesis';
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

/**
 * What reads of a tape: a `Tape`, or any stream of frames that is there already and how long it remembers. An encrypted one must have been
 * imported with its key, or nothing may decrypt it:
 *
 *     const stream = Stream.fromStreamAttributes(stack, 'Trades', { streamArn, encryptionKey: Key.fromKeyArn(stack, 'TradesKey', keyArn) });
 *     new SignalConsumer(stack, 'Consumer', { tape: { stream, retention: Duration.days(7) } });
 */
export type ReadTape = {
  readonly stream: IStream;
  /** What the stream is set to: a batch is tried until an hour before its end. */
  readonly retention: Duration;
};

/** The tape: a Kinesis stream of frames. The partition key of a record is its bucket, so that a bucket's trades stay in order. */
export class Tape extends Construct implements ReadTape {
  readonly stream: IStream;
  readonly encryptionKey: IKey;
  readonly retention: Duration;

  constructor(scope: Construct, id: string, props: TapeProps = {}) {
    super(scope, id);
    const { shardCount = 2, retention = Duration.hours(24), removalPolicy = kept } = props;
    this.retention = retention;
    this.encryptionKey = props.encryptionKey ?? new DataKey(this, 'Key', { removalPolicy });
    const stream = new Stream(this, 'Stream', {
      ...(shardCount === 'on-demand' ? { streamMode: StreamMode.ON_DEMAND } : { streamMode: StreamMode.PROVISIONED, shardCount }),
      retentionPeriod: retention,
      encryption: StreamEncryption.KMS,
      encryptionKey: this.encryptionKey,
      removalPolicy,
    });
    acknowledge.finding(stream, 'KDS3', 'the key is one for all data that rests, which can be withdrawn and shared with a feed elsewhere');
    // The class says less exactly than its interface which properties may be undefined.
    this.stream = stream as IStream;
  }

  /** For a feed: puts frames on the tape. */
  grantWrite(grantee: IGrantable): Grant {
    grantEncrypt(this.encryptionKey, grantee);
    return this.stream.grant(grantee, 'kinesis:PutRecord', 'kinesis:PutRecords', 'kinesis:ListShards', 'kinesis:DescribeStreamSummary');
  }

  /** For a consumer or a replay. */
  grantRead(grantee: IGrantable): Grant {
    return grantReadTape(this, grantee);
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

/** Action by action, for a consumer or a replay. */
export function grantReadTape({ stream }: Pick<ReadTape, 'stream'>, grantee: IGrantable): Grant {
  if (stream.encryptionKey) grantDecrypt(stream.encryptionKey, grantee);
  return stream.grant(
    grantee,
    'kinesis:DescribeStream',
    'kinesis:DescribeStreamSummary',
    'kinesis:GetRecords',
    'kinesis:GetShardIterator',
    'kinesis:ListShards',
  );
}
