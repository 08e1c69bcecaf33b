import { Duration, Names, type RemovalPolicy } from 'aws-cdk-lib';
import { MathExpression, type MathExpressionOptions, type Metric, type MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import { type ITable, StreamViewType } from 'aws-cdk-lib/aws-dynamodb';
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam';
import { StreamConsumer } from 'aws-cdk-lib/aws-kinesis';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { KinesisConsumerEventSource, KinesisEventSource, type KinesisEventSourceProps } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { ConsumeMetric } from '../core/metrics.ts';
import { acknowledge } from './acknowledge.ts';
import { grantPutObjects, grantReadObjects, makeDataBucket } from './data-bucket.ts';
import { DataKey, grantDecrypt, grantTableKey } from './data-key.ts';
import { makeDataTable } from './data-table.ts';
import { kept } from './kept.ts';
import type { KeptHistory } from './kept-history.ts';
import { defaultConfigPath, LambdaFunction } from './lambda-function.ts';
import { metricOf } from './metric.ts';
import type { ReadTape } from './tape.ts';
import { triedUntilForgotten } from './tried-until-forgotten.ts';

export type SignalConsumerProps = {
  /** A `Tape`, or any stream of frames. */
  readonly tape: ReadTape;
  /** Takes bars, signals and late trades. @default they are counted and not kept */
  readonly history?: KeptHistory | undefined;
  /**
   * How often every state is saved, 1 to 900 s. Bars and signals are saved when they come; this is for what is open between them. Bars
   * follow event time and never this window.
   * @default 5 minutes
   */
  readonly tumblingWindow?: Duration | undefined;
  /** Reads with a throughput and a price of its own: 0.05 s instead of 0.6 s from the feed to the handler. @default shared polling */
  readonly hasEnhancedFanOut?: boolean | undefined;
  /** The file that exports the deployment's config. @default `tapeline.config.ts` in the folder that the app is started in */
  readonly configPath?: string | undefined;
  /** Whether X-Ray traces an invocation a second, which costs more than the function itself. @default false */
  readonly isTraced?: boolean | undefined;
  /** @default 1,769: one whole core, and the fold uses no more */
  readonly memorySizeMb?: number | undefined;
  /** @default shared with the account: shards bound the concurrency already */
  readonly reservedConcurrency?: number | undefined;
  /** @default a customer key of its own */
  readonly encryptionKey?: IKey | undefined;
  /** @default not logged */
  readonly accessLogBucket?: IBucket | undefined;
  /** @default checkpoints and quarantine stay when the stack goes */
  readonly removalPolicy?: RemovalPolicy | undefined;
};

const quarantinePrefix = 'quarantine/';
/** Longer than all attempts of an adapter that gives up, so that its error says why, and not the end of the time. */
const timeout = Duration.minutes(3);

/** Folds the tape: a Lambda function on the stream, table and bucket of its checkpoints and signals, and a bucket for what could not be read. */
export class SignalConsumer extends Construct {
  readonly handler: LambdaFunction;
  /** Checkpoints, and the outbox whose inserts are on its stream. */
  readonly table: ITable;
  /** States that are larger than 2 KB, each a version that an item of the table names. */
  readonly stateBucket: IBucket;
  /** Quarantined input, and whole batches that Lambda has given up. */
  readonly quarantineBucket: IBucket;
  /** Of the keys of quarantined input. */
  readonly quarantinePrefix = quarantinePrefix;
  readonly encryptionKey: IKey;

  constructor(scope: Construct, id: string, props: SignalConsumerProps) {
    super(scope, id);
    const { tape, history, accessLogBucket, removalPolicy = kept } = props;
    this.encryptionKey = props.encryptionKey ?? new DataKey(this, 'Key', { removalPolicy });
    const stream = StreamViewType.NEW_IMAGE;
    // The class says less exactly than its interface which properties may be undefined.
    this.table = makeDataTable(this, 'Table', { encryptionKey: this.encryptionKey, stream, removalPolicy }) as ITable;
    this.stateBucket = makeDataBucket(this, 'States', {
      encryptionKey: this.encryptionKey,
      accessLogBucket,
      // The table can be restored to any moment from which the tape can be read again.
      replacedRetention: Duration.days(Math.ceil(tape.retention.toDays({ integral: false }))),
      removalPolicy,
    });
    this.quarantineBucket = makeDataBucket(this, 'Quarantine', {
      encryptionKey: this.encryptionKey,
      accessLogBucket,
      tellsEventBridge: true,
      removalPolicy,
    });
    this.handler = new LambdaFunction(this, 'Handler', {
      entry: 'consume',
      description: 'Folds the tape into bars and signals',
      memorySizeMb: props.memorySizeMb ?? 1769,
      timeout,
      reservedConcurrency: props.reservedConcurrency,
      configPath: props.configPath ?? defaultConfigPath,
      isTraced: props.isTraced,
      removalPolicy,
      environment: {
        TABLE_NAME: this.table.tableName,
        STATE_BUCKET: this.stateBucket.bucketName,
        STATE_DOMAIN: this.stateBucket.bucketRegionalDomainName,
        QUARANTINE_BUCKET: this.quarantineBucket.bucketName,
        QUARANTINE_DOMAIN: this.quarantineBucket.bucketRegionalDomainName,
        QUARANTINE_PREFIX: quarantinePrefix,
        ...history?.consumerEnvironment,
      },
    });
    this.#grantHandler(history);
    this.#readTape(tape, props);
  }

  /** For who looks into what was set aside and given up. */
  grantReadQuarantine(grantee: IGrantable): void {
    grantReadObjects(this.quarantineBucket, grantee);
  }

  /** For who looks into the state and the outbox. */
  grantReadCheckpoints(grantee: IGrantable): Grant {
    grantDecrypt(this.encryptionKey, grantee);
    this.#grantStates(grantee, 's3:GetObjectVersion');
    return this.table.grant(grantee, 'dynamodb:DescribeTable', 'dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:Scan');
  }

  /** One of the counts and measures of a batch. */
  metric(name: ConsumeMetric, options?: MetricOptions): Metric {
    return metricOf(this, 'consume', name, options);
  }

  /** Bars, signals and late trades that a history in Timestream has refused. */
  metricRowsRefused(options?: MetricOptions): Metric {
    return metricOf(this, 'consume', 'rowsRefused', options);
  }

  /** A line for each reason of quarantine: for graphs, since an alarm cannot search. */
  metricQuarantinedByReason(options: Pick<MathExpressionOptions, 'period'> = {}): MathExpression {
    const { namespace, metricName, dimensions } = this.metric('quarantined');
    const service = String(dimensions?.['service']);
    const seconds = options.period?.toSeconds() ?? 300;
    return new MathExpression({
      expression: `SEARCH('{${namespace},reason,service} MetricName="${metricName}" service="${service}"', 'Sum', ${seconds})`,
      label: '',
      ...options,
    });
  }

  /** Age of the last record of each batch when it was handed over: rises when batches fail or the function is too slow. */
  metricIteratorAgeMs(options?: MetricOptions): Metric {
    return this.handler.metricIteratorAgeMs(options);
  }

  /** What the table takes for checkpoints and signals. */
  metricWriteUnits(options?: MetricOptions): Metric {
    return this.table.metricConsumedWriteCapacityUnits({ statistic: 'Sum', ...options });
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

  #grantHandler(history: KeptHistory | undefined): void {
    const { handler, quarantineBucket } = this;
    this.table.grant(handler, 'dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:PutItem', 'dynamodb:DeleteItem');
    grantTableKey(this.encryptionKey, handler);
    this.#grantStates(handler, 's3:DeleteObjectVersion', 's3:GetObjectVersion', 's3:PutObject');
    // Without it, S3 says of a state that is not there that it is forbidden.
    Grant.addToPrincipal({ grantee: handler, actions: ['s3:ListBucket'], resourceArns: [this.stateBucket.bucketArn] });
    acknowledge.objectsOf(this.stateBucket, '*', handler, 'an object for each bucket of symbols of each generation');
    grantPutObjects(quarantineBucket, quarantinePrefix, handler, 'an object for each tape record with bad input, named by its position');
    history?.grantWrite(handler);
  }

  #grantStates(grantee: IGrantable, ...actions: string[]): void {
    Grant.addToPrincipal({ grantee, actions, resourceArns: [this.stateBucket.arnForObjects('*')] });
  }

  /** No parallel invocations for one shard: they would part a bucket's trades, and a window with them is undefined. What is skipped is a hole in the bars. */
  #readTape(tape: ReadTape, { tumblingWindow = Duration.minutes(5), hasEnhancedFanOut = false }: SignalConsumerProps): void {
    const sourceProps: KinesisEventSourceProps = {
      ...triedUntilForgotten(tape.retention, this.quarantineBucket),
      // The payload limit of 6 MB cuts before this: few large batches save invocations and checkpoints.
      batchSize: 10_000,
      tumblingWindow,
      parallelizationFactor: 1,
    };
    if (!hasEnhancedFanOut) {
      this.handler.addEventSource(new KinesisEventSource(tape.stream, sourceProps));
      return;
    }
    const streamConsumerName = Names.uniqueResourceName(this, { maxLength: 100 });
    const streamConsumer = new StreamConsumer(this, 'FanOut', { stream: tape.stream, streamConsumerName });
    this.handler.addEventSource(new KinesisConsumerEventSource(streamConsumer, sourceProps));
  }
}
