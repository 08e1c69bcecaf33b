import { type CfnResource, Duration, type RemovalPolicy } from 'aws-cdk-lib';
import { MathExpression, type MathExpressionOptions, type Metric, type MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { KinesisEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { CfnDatabase, CfnTable } from 'aws-cdk-lib/aws-timestream';
import { Construct } from 'constructs';
import type { HistoryMetric } from '../core/metrics.ts';
import { acknowledge } from './acknowledge.ts';
import { grantPutObjects, grantReadObjects, makeDataBucket } from './data-bucket.ts';
import { DataKey } from './data-key.ts';
import { kept } from './kept.ts';
import type { KeptHistory } from './kept-history.ts';
import { defaultConfigPath, LambdaFunction } from './lambda-function.ts';
import { metricOf } from './metric.ts';
import type { SignalConsumer } from './signal-consumer.ts';
import type { ReadTape } from './tape.ts';
import { triedUntilForgotten } from './tried-until-forgotten.ts';

export type TimestreamHistoryProps = {
  /** Every trade of it is kept. */
  readonly tape: ReadTape;
  /**
   * How long rows stay where they are written fastest and asked soonest, 1 to 8,766 hours; an hour of it costs as much as a month of the other.
   * @default 3 hours
   */
  readonly memoryRetention?: Duration | undefined;
  /** How long rows stay at all, 1 to 73,000 days. Older ones are refused, and kept aside. @default 365 days */
  readonly magneticRetention?: Duration | undefined;
  /** How long the tape is gathered before trades are written, 0 to 300 s: longer makes fewer and fuller calls. @default 10 seconds */
  readonly bufferingInterval?: Duration | undefined;
  /** The file that exports the deployment's config. @default `tapeline.config.ts` in the folder that the app is started in */
  readonly configPath?: string | undefined;
  /** @default shared with the account: shards bound the concurrency already */
  readonly reservedConcurrency?: number | undefined;
  /** @default a customer key of its own */
  readonly encryptionKey?: IKey | undefined;
  /** @default not logged */
  readonly accessLogBucket?: IBucket | undefined;
  /** @default the history stays when the stack goes */
  readonly removalPolicy?: RemovalPolicy | undefined;
};

const tableNames = ['bars', 'signals', 'late', 'trades', 'quarantine'] as const;
const refusedPrefix = 'refused/';
const entry = 'history';
/** Longer than all attempts of all calls of a batch that in the end is given back. */
const timeout = Duration.minutes(5);

/**
 * Bars, signals, trades, late trades and quarantined input in Timestream for LiveAnalytics, which only accounts have that had it in June 2025.
 *
 *     consumer ───────────────────▶ bars, signals, late, quarantine ─┐
 *     tape ─▶ history function ───▶ trades ──────────────────────────┴▶ what is refused ─▶ bucket
 */
export class TimestreamHistory extends Construct implements KeptHistory {
  /** By CloudFormation: a database that has stayed from before keeps its own. */
  readonly databaseName: string;
  readonly handler: LambdaFunction;
  /** Rows that Timestream refuses, its own reports of them, and batches that were given up. */
  readonly refusedBucket: IBucket;
  readonly encryptionKey: IKey;
  readonly #tables: readonly CfnTable[];

  constructor(scope: Construct, id: string, props: TimestreamHistoryProps) {
    super(scope, id);
    const { accessLogBucket, removalPolicy = kept } = props;
    this.encryptionKey = props.encryptionKey ?? new DataKey(this, 'Key', { removalPolicy });
    this.refusedBucket = makeDataBucket(this, 'Refused', {
      encryptionKey: this.encryptionKey,
      accessLogBucket,
      tellsEventBridge: true,
      removalPolicy,
    });
    const database = this.#keep(new CfnDatabase(this, 'Database', { kmsKeyId: this.encryptionKey.keyArn }), removalPolicy);
    this.databaseName = database.ref;
    this.#tables = tableNames.map((tableName) => this.#keep(this.#makeTable(tableName, props), removalPolicy));
    this.handler = new LambdaFunction(this, 'Handler', {
      entry,
      description: 'Keeps every trade of the tape in Timestream',
      memorySizeMb: 1024,
      timeout,
      reservedConcurrency: props.reservedConcurrency,
      configPath: props.configPath ?? defaultConfigPath,
      environment: this.consumerEnvironment,
      removalPolicy,
    });
    this.grantWrite(this.handler);
    this.#readTape(props);
  }

  get consumerEnvironment(): Readonly<Record<string, string>> {
    return {
      HISTORY_DATABASE: this.databaseName,
      REFUSED_ROWS_BUCKET: this.refusedBucket.bucketName,
      REFUSED_ROWS_DOMAIN: this.refusedBucket.bucketRegionalDomainName,
      REFUSED_ROWS_PREFIX: refusedPrefix,
    };
  }

  /** For what writes rows, and keeps aside those that are refused. */
  grantWrite(grantee: IGrantable): void {
    this.#allow(grantee, ['timestream:WriteRecords'], this.#tableArns);
    this.#allow(grantee, ['timestream:DescribeEndpoints'], ['*']);
    acknowledge.everyResource(grantee, 'timestream:DescribeEndpoints knows no resource: it says where the account has its Timestream');
    grantPutObjects(this.refusedBucket, refusedPrefix, grantee, 'an object for the rows that were refused together, named by them');
  }

  /** For a person or a program that asks. */
  grantQuery(grantee: IGrantable): void {
    this.#allow(grantee, ['timestream:DescribeTable', 'timestream:ListMeasures', 'timestream:Select'], this.#tableArns);
    // None of these knows a resource.
    this.#allow(grantee, ['timestream:CancelQuery', 'timestream:DescribeEndpoints', 'timestream:SelectValues'], ['*']);
  }

  /** For who looks into what was refused and given up. */
  grantReadRefused(grantee: IGrantable): void {
    grantReadObjects(this.refusedBucket, grantee);
  }

  metric(name: Exclude<HistoryMetric, 'framesFailed'>, options?: MetricOptions): Metric {
    return metricOf(this, entry, name, options);
  }

  /** Rows that Timestream has refused: trades of the history function, and bars, signals and late trades of the consumer. */
  metricsSetAside(options: MetricOptions, consumer: SignalConsumer): Readonly<Record<string, Metric>> {
    return { trades: this.metric('rowsRefused', options), bars: consumer.metricRowsRefused(options) };
  }

  metricErrors(options?: MetricOptions): Metric {
    return this.handler.metricErrors(options);
  }

  metricThrottles(options?: MetricOptions): Metric {
    return this.handler.metricThrottles(options);
  }

  metricDurationMs(options?: MetricOptions): Metric {
    return this.handler.metricDuration(options);
  }

  /** Seconds that the last trade of each batch has waited: rises when Timestream takes too few, or none. */
  metricDeliveryAgeSec(options: MathExpressionOptions = {}): MathExpression {
    const { period } = options;
    const age = this.handler.metricIteratorAgeMs({ ...(period && { period }) });
    return new MathExpression({ expression: 'age / 1000', usingMetrics: { age }, ...options });
  }

  #makeTable(tableName: string, { memoryRetention, magneticRetention }: TimestreamHistoryProps): CfnTable {
    return new CfnTable(this, `Table-${tableName}`, {
      databaseName: this.databaseName,
      tableName,
      retentionProperties: {
        MemoryStoreRetentionPeriodInHours: String((memoryRetention ?? Duration.hours(3)).toHours()),
        MagneticStoreRetentionPeriodInDays: String((magneticRetention ?? Duration.days(365)).toDays()),
      },
      // Late trades and replays are older than the memory holds.
      magneticStoreWriteProperties: {
        EnableMagneticStoreWrites: true,
        MagneticStoreRejectedDataLocation: {
          S3Configuration: {
            BucketName: this.refusedBucket.bucketName,
            ObjectKeyPrefix: `magnetic/${tableName}`,
            EncryptionOption: 'SSE_KMS',
            KmsKeyId: this.encryptionKey.keyArn,
          },
        },
      },
      // Most questions are of a symbol: without this, each would look into all of them. What cannot be read may have none.
      schema: {
        compositePartitionKey: [
          { type: 'DIMENSION', name: tableName === 'quarantine' ? 'reason' : 'symbol', enforcementInRecord: 'REQUIRED' },
        ],
      },
    });
  }

  #keep<T extends CfnResource>(resource: T, removalPolicy: RemovalPolicy): T {
    resource.applyRemovalPolicy(removalPolicy);
    acknowledge.warning(resource, 'W3697', 'closed to new customers is not closed to those who have it; all others take parquet');
    return resource;
  }

  /** Rows are known by their names, so that order does not matter and nothing is kept twice. As the consumer, it tries until the tape forgets. */
  #readTape({ tape, bufferingInterval = Duration.seconds(10) }: TimestreamHistoryProps): void {
    this.handler.addEventSource(
      new KinesisEventSource(tape.stream, {
        ...triedUntilForgotten(tape.retention, this.refusedBucket),
        batchSize: 10_000,
        maxBatchingWindow: bufferingInterval,
      }),
    );
  }

  get #tableArns(): string[] {
    return this.#tables.map((table) => table.attrArn);
  }

  #allow(grantee: IGrantable, actions: string[], resourceArns: string[]): void {
    Grant.addToPrincipal({ grantee, actions, resourceArns });
  }
}
