import { Duration, type RemovalPolicy, Stack } from 'aws-cdk-lib';
import type { Metric, MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import type { ITable } from 'aws-cdk-lib/aws-dynamodb';
import { Archive, EventBus, type EventPattern, type IEventBus } from 'aws-cdk-lib/aws-events';
import type { Grant, IGrantable } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { FilterCriteria, FilterRule } from 'aws-cdk-lib/aws-lambda';
import { DynamoEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { PublishMetric } from '../core/metrics.ts';
import { acknowledge } from './acknowledge.ts';
import { grantPutObjects, grantReadObjects, makeDataBucket } from './data-bucket.ts';
import { kept } from './kept.ts';
import { LambdaFunction } from './lambda-function.ts';
import { metricOf } from './metric.ts';
import { signalEventSource, signalEventType } from './signal-event.ts';
import { triedUntilForgotten } from './tried-until-forgotten.ts';

export type SignalBusProps = {
  /** The checkpoint table, with a stream of new images. */
  readonly table: ITable;
  /** Only signals of this generation are published: one that catches up beside it stays silent. */
  readonly generation: string;
  /** How long the bus keeps its signals to be replayed, or `none`. @default 30 days */
  readonly archiveRetention?: Duration | 'none' | undefined;
  /** Keeps signals that the bus refuses for good, and batches of outbox inserts that could not be published in a day. @default its own */
  readonly failureBucket?: IBucket | undefined;
  /** For the bucket that it makes. @default keys that S3 manages */
  readonly encryptionKey?: IKey | undefined;
  /** For the bucket that it makes. @default not logged */
  readonly accessLogBucket?: IBucket | undefined;
  /** @default shared with the account: the table's shards bound the concurrency already */
  readonly reservedConcurrency?: number | undefined;
  /** @default logs, archive and failed batches stay when the stack goes */
  readonly removalPolicy?: RemovalPolicy | undefined;
};

const refusedPrefix = 'refused/';
/** Of DynamoDB, for every stream. */
const streamRetention = Duration.hours(24);
/** Three slices of events at their slowest, when each attempt of each call hangs. */
const timeout = Duration.minutes(2);

/** Publishes signals: a Lambda function on the outbox of the checkpoint table, and the EventBridge bus that it puts them on. */
export class SignalBus extends Construct {
  readonly bus: IEventBus;
  readonly handler: LambdaFunction;
  readonly failureBucket: IBucket;
  /** Undefined where the bus keeps nothing. */
  readonly archive: Archive | undefined;

  constructor(scope: Construct, id: string, props: SignalBusProps) {
    super(scope, id);
    const { table, encryptionKey, accessLogBucket, archiveRetention = Duration.days(30), removalPolicy = kept } = props;
    // The class says less exactly than its interface which properties may be undefined.
    this.bus = new EventBus(this, 'Bus', { description: 'Buy and sell signals, each a CloudEvent' }) as IEventBus;
    this.failureBucket =
      props.failureBucket ?? makeDataBucket(this, 'Failures', { encryptionKey, accessLogBucket, tellsEventBridge: true, removalPolicy });
    if (archiveRetention !== 'none') this.archive = this.#makeArchive(archiveRetention, removalPolicy);
    this.handler = new LambdaFunction(this, 'Handler', {
      entry: 'publish',
      description: 'Publishes the signals of the outbox',
      // It waits for EventBridge most of its time; below this, a cold start takes seconds.
      memorySizeMb: 512,
      isTraced: true,
      timeout,
      reservedConcurrency: props.reservedConcurrency,
      removalPolicy,
      environment: {
        BUS_NAME: this.bus.eventBusName,
        BUS_SOURCE: signalEventSource,
        SIGNAL_SOURCE: `/tapeline/${Stack.of(this).stackName}`,
        REFUSED_BUCKET: this.failureBucket.bucketName,
        REFUSED_DOMAIN: this.failureBucket.bucketRegionalDomainName,
        REFUSED_PREFIX: refusedPrefix,
      },
    });
    this.bus.grantPutEventsTo(this.handler);
    grantPutObjects(this.failureBucket, refusedPrefix, this.handler, 'an object for each signal that the bus refuses, named by its id');
    this.#readOutbox(table, props.generation);
  }

  /** What a rule on the bus matches on, to get every signal. */
  static get pattern(): EventPattern {
    return { source: [signalEventSource], detailType: [signalEventType] };
  }

  /** For a publisher of signals beside ours. */
  grantPutEventsTo(grantee: IGrantable): Grant {
    return this.bus.grantPutEventsTo(grantee);
  }

  /** For who looks into signals that were refused and batches that were given up. */
  grantReadFailures(grantee: IGrantable): void {
    grantReadObjects(this.failureBucket, grantee);
  }

  metric(name: PublishMetric, options?: MetricOptions): Metric {
    return metricOf(this, 'publish', name, options);
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

  /** Age of the last outbox insert of each batch: rises when signals cannot be published. */
  metricIteratorAgeMs(options?: MetricOptions): Metric {
    return this.handler.metricIteratorAgeMs(options);
  }

  #makeArchive(retention: Duration, removalPolicy: RemovalPolicy): Archive {
    const archive = new Archive(this, 'Archive', {
      sourceEventBus: this.bus,
      description: 'Every signal, to be replayed to subscribers',
      eventPattern: SignalBus.pattern,
      retention,
    });
    archive.applyRemovalPolicy(removalPolicy);
    return archive;
  }

  /** Checkpoints and expiring items are in the stream too: Lambda passes over them before anybody pays for an invocation. */
  #readOutbox(table: ITable, generation: string): void {
    this.handler.addEventSource(
      new DynamoEventSource(table, {
        ...triedUntilForgotten(streamRetention, this.failureBucket),
        batchSize: 100,
        parallelizationFactor: 1,
        reportBatchItemFailures: true,
        filters: [
          FilterCriteria.filter({
            // An item is replaced when a version is committed once more, after a restore.
            eventName: FilterRule.or('INSERT', 'MODIFY'),
            dynamodb: { Keys: { pk: { S: FilterRule.beginsWith(`outbox#${generation}#`) } } },
          }),
        ],
      }),
    );
    acknowledge.everyResource(this.handler, 'dynamodb:ListStreams knows no resource below the account');
  }
}
