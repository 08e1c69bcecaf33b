import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps, Tags } from 'aws-cdk-lib';
import type { ITopicSubscription } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import { cloudEndpointsOf, queueArnsOf } from '../core/delivery.ts';
import { deploymentOptionsOf, type HistoryKind, pipelineOptionsOf, type TapelineConfig } from '../core/config.ts';
import { subscribersOf } from '../core/subscribers.ts';
import { acknowledge } from './acknowledge.ts';
import type { AlarmThresholds } from './alarms.ts';
import { makeDataBucket } from './data-bucket.ts';
import { DataKey } from './data-key.ts';
import { History, type HistoryProps } from './history.ts';
import { TimestreamHistory } from './history-timestream.ts';
import { kept } from './kept.ts';
import { Observability, type ObservabilityProps } from './observability.ts';
import { SignalBus } from './signal-bus.ts';
import { SignalConsumer } from './signal-consumer.ts';
import { SignalTopic } from './signal-topic.ts';
import { subscriptionOf } from './subscription.ts';
import { Tape } from './tape.ts';
import { Webhooks } from './webhooks.ts';

export type PipelineStackProps = StackProps & {
  /** `tapeline.config.ts`, which the functions carry in their bundles. */
  readonly config: TapelineConfig;
  /** @default as the config has it */
  readonly shardCount?: number | 'on-demand' | undefined;
  /** @default 24 hours */
  readonly tapeRetention?: Duration | undefined;
  /** @default as the config has it */
  readonly history?: HistoryKind | undefined;
  /** Who gets the signals from the topic, beside those whom the config names. @default nobody more */
  readonly subscriptions?: readonly ITopicSubscription[] | undefined;
  /** When alarms go off, and who is told. @default each threshold's own, and nobody until somebody subscribes */
  readonly alarms?: AlarmOptions | undefined;
  /** The file of `config`, for the functions. @default `tapeline.config.ts` in the folder that the app is started in */
  readonly configPath?: string | undefined;
  /** For an emulator: leaves out what LocalStack 4.14 does not have, and keeps nothing when the stack goes. @default false */
  readonly emulator?: boolean | undefined;
  /** @default data stays when the stack goes */
  readonly removalPolicy?: RemovalPolicy | undefined;
};

type AlarmOptions = AlarmThresholds & Pick<ObservabilityProps, 'subscriptions' | 'runbookUrl'>;

/**
 * The whole way of a trade in the cloud, with one key for all that rests:
 *
 *     feed ─▶ Tape ─▶ SignalConsumer ─▶ SignalBus ─▶ SignalTopic ─▶ subscribers
 *                           └─▶ History         └─▶ Webhooks ─▶ endpoints of the config
 */
export class PipelineStack extends Stack {
  readonly tape: Tape;
  /** Undefined where the config has none, and for Timestream in an emulator, which has none. */
  readonly history: History | TimestreamHistory | undefined;
  readonly consumer: SignalConsumer;
  readonly signals: SignalBus;
  readonly topic: SignalTopic;
  /** Undefined where the config delivers to nobody. */
  readonly webhooks: Webhooks | undefined;
  /** Undefined in an emulator. */
  readonly observability: Observability | undefined;

  constructor(scope: Construct, id: string, props: PipelineStackProps) {
    super(scope, id, props);
    const { config, emulator = false } = props;
    const asConfigured = deploymentOptionsOf(config);
    const { history = asConfigured.history, shardCount = asConfigured.shards } = props;
    const { generation, calendar } = pipelineOptionsOf(config);
    const removalPolicy = props.removalPolicy ?? (emulator ? RemovalPolicy.DESTROY : kept);
    const missing = emulator ? ({ archiveRetention: 'none' } as const) : {};

    const encryptionKey = new DataKey(this, 'Key', { removalPolicy });
    const accessLogBucket = makeDataBucket(this, 'AccessLogs', { expirations: { '': Duration.days(90) }, removalPolicy });
    acknowledge.finding(accessLogBucket, 'S1', 'it holds the access logs of the others; logging its own would never end');
    const shared = { encryptionKey, accessLogBucket, removalPolicy };

    this.tape = new Tape(this, 'Tape', { ...shared, shardCount, retention: props.tapeRetention });
    this.history = this.#makeHistory(history, emulator, { ...shared, configPath: props.configPath });
    this.consumer = new SignalConsumer(this, 'SignalConsumer', {
      ...shared,
      tape: this.tape,
      history: this.history,
      configPath: props.configPath,
    });
    if (this.history instanceof History) this.history.showQuarantine(this.consumer.quarantineBucket, this.consumer.quarantinePrefix);
    this.signals = new SignalBus(this, 'SignalBus', {
      ...shared,
      table: this.consumer.table,
      generation,
      failureBucket: this.consumer.quarantineBucket,
      archiveRetention: missing.archiveRetention,
    });
    const subscriptions = [...subscribersOf(config.subscribe ?? []).map(subscriptionOf), ...(props.subscriptions ?? [])];
    this.topic = new SignalTopic(this, 'SignalTopic', { ...shared, bus: this.signals.bus, subscriptions });
    if (cloudEndpointsOf(config).length > 0) {
      this.webhooks = new Webhooks(this, 'Webhooks', {
        ...shared,
        bus: this.signals.bus,
        configPath: props.configPath,
        queueArns: queueArnsOf(config),
      });
    }
    if (!emulator) this.observability = this.#observe({ ...props.alarms, ...shared, calendar });
    this.#tell();
    // Told apart on the bill, and by who may do what; more of them with the stack's own `tags`.
    Tags.of(this).add('application', 'tapeline');
  }

  /** LocalStack's Firehose reads streams by a library of its own that it would have to fetch first: there, trades are not kept. */
  #makeHistory(kind: HistoryKind, emulator: boolean, shared: HistoryProps): History | TimestreamHistory | undefined {
    const { tape } = this;
    if (kind === 'parquet') return new History(this, 'History', emulator ? { ...shared, format: 'json' } : { ...shared, tape });
    return kind === 'timestream' && !emulator ? new TimestreamHistory(this, 'History', { ...shared, tape }) : undefined;
  }

  #observe(options: Omit<ObservabilityProps, 'tape' | 'consumer' | 'signals' | 'topic' | 'history' | 'webhooks'>): Observability {
    const { tape, consumer, signals, topic, history, webhooks } = this;
    return new Observability(this, 'Observability', { ...options, tape, consumer, signals, topic, history, webhooks });
  }

  #tell(): void {
    const { tape, history, consumer, signals, topic, webhooks, observability } = this;
    const outputs: Record<string, [description: string, value: string | undefined]> = {
      TapeStream: ['Kinesis stream that a feed writes to', tape.stream.streamName],
      CheckpointTable: ['DynamoDB table of checkpoints and outbox', consumer.table.tableName],
      StateBucket: ['S3 bucket of the states that checkpoints name', consumer.stateBucket.bucketName],
      QuarantineBucket: ['What could not be read, and batches that were given up', consumer.quarantineBucket.bucketName],
      SignalBusName: ['EventBridge bus with the signals', signals.bus.eventBusName],
      SignalTopicArn: ['SNS topic with the signals', topic.topic.topicArn],
      DeliveryTable: ['DynamoDB table of what waits to be delivered', webhooks?.table.tableName],
      DeliverySecret: ['Secret with what the endpoints need to know', webhooks?.secret.secretArn],
      HistoryDatabase: ['Database of the history', history?.databaseName],
      AlarmTopicArn: ['SNS topic of the alarms', observability?.alarmTopic.topic.topicArn],
      DashboardUrl: ['The pipeline on one page', observability?.dashboardUrl],
      ...(history instanceof TimestreamHistory && { RefusedRowsBucket: ['What Timestream refused', history.refusedBucket.bucketName] }),
      ...(history instanceof History && {
        HistoryBucket: ['Bars, signals, trades and late trades', history.bucket.bucketName],
        HistoryWorkGroup: ['Athena workgroup with named queries', history.workGroup?.name],
      }),
    };
    for (const [id, [description, value]] of Object.entries(outputs)) {
      if (value !== undefined) new CfnOutput(this, id, { description, value });
    }
  }
}
