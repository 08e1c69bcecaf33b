import { type RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Alarm, Metric, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { EventField, Rule, RuleTargetInput } from 'aws-cdk-lib/aws-events';
import type { Grant, IGrantable } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { ITopicSubscription } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { CalendarName } from '../core/calendar.ts';
import { AlarmTopic } from './alarm-topic.ts';
import { alarmDefaults, type AlarmPlan, alarmsOf, type AlarmThresholds } from './alarms.ts';
import { PipelineDashboard } from './dashboard.ts';
import { DataKey } from './data-key.ts';
import { kept } from './kept.ts';
import { placeOf } from './place.ts';
import { SessionClock } from './session-clock.ts';
import type { SignalBus } from './signal-bus.ts';
import type { SignalConsumer } from './signal-consumer.ts';
import type { SignalTopic } from './signal-topic.ts';
import type { ReadTape } from './tape.ts';
import { topicTarget } from './topic-target.ts';
import type { WatchedHistory } from './watched.ts';
import type { Webhooks } from './webhooks.ts';

export type ObservabilityProps = AlarmThresholds & {
  readonly tape: Pick<ReadTape, 'stream'>;
  readonly consumer: SignalConsumer;
  readonly signals: SignalBus;
  readonly topic: SignalTopic;
  /** @default nobody watches over a history */
  readonly history?: WatchedHistory | undefined;
  /** @default there are none to watch over */
  readonly webhooks?: Webhooks | undefined;
  /** In whose hours trades are expected. @default 'always' */
  readonly calendar?: CalendarName | undefined;
  /** Who is told of an alarm. @default nobody, until somebody subscribes to the topic */
  readonly subscriptions?: readonly ITopicSubscription[] | undefined;
  /** What a page's name is put behind, in the description of an alarm. @default 'docs/runbooks/', where they are in the project */
  readonly runbookUrl?: string | undefined;
  /** @default a customer key of its own */
  readonly encryptionKey?: IKey | undefined;
  /** @default what keeps data stays when the stack goes */
  readonly removalPolicy?: RemovalPolicy | undefined;
};

/** Where Lambda puts the batches that it gives up. */
const givenUpPrefix = 'aws/lambda/';

/** One dashboard, an alarm for each way in which the pipeline can fail its users, and the topic that tells them. */
export class Observability extends Construct {
  readonly alarmTopic: AlarmTopic;
  readonly alarms: readonly Alarm[];
  readonly dashboard: PipelineDashboard;
  readonly #runbookUrl: string;
  /** Of the dashboard, and what the names of alarms begin with. */
  readonly #name = placeOf(this, 'Observability').join('-');

  constructor(scope: Construct, id: string, props: ObservabilityProps) {
    super(scope, id);
    const { tape, consumer, signals, topic, history, webhooks, calendar = 'always', runbookUrl = 'docs/runbooks/' } = props;
    const { removalPolicy = kept, subscriptions } = props;
    this.#runbookUrl = runbookUrl;
    const encryptionKey = props.encryptionKey ?? new DataKey(this, 'Key', { removalPolicy });
    this.alarmTopic = new AlarmTopic(this, 'AlarmTopic', { encryptionKey, subscriptions });
    const session = calendar === 'always' ? undefined : new SessionClock(this, 'SessionClock', { calendar, removalPolicy });
    const givenUp = this.#tellOfGivenUp(consumer.quarantineBucket, signals.failureBucket, history?.refusedBucket);
    const watched = { tape, consumer, signals, topic, history, webhooks, session, givenUp };
    this.alarms = alarmsOf(watched, props).map((plan) => this.addAlarm(plan));
    this.dashboard = new PipelineDashboard(this, 'Dashboard', {
      dashboardName: this.#name,
      watched,
      alarms: this.alarms,
    });
  }

  /** Where the dashboard is in the console. */
  get dashboardUrl(): string {
    const { region } = Stack.of(this);
    return `https://${region}.console.aws.amazon.com/cloudwatch/home?region=${region}#dashboards/dashboard/${this.#name}`;
  }

  /** One more alarm to the same topic; by its name there must be a page that says what to do. */
  addAlarm({ name, text, periods = 1, datapoints = periods, ...plan }: AlarmPlan): Alarm {
    const alarm = new Alarm(this, name, {
      ...alarmDefaults,
      ...plan,
      alarmName: `${this.#name}-${name}`,
      alarmDescription: `${text}. What to do: ${this.#runbookUrl}${name}.md`,
      evaluationPeriods: periods,
      datapointsToAlarm: datapoints,
    });
    const action = new SnsAction(this.alarmTopic.topic);
    alarm.addAlarmAction(action);
    alarm.addOkAction(action);
    return alarm;
  }

  /** For a subscriber that makes its own subscription. */
  grantSubscribe(grantee: IGrantable): Grant {
    return this.alarmTopic.grantSubscribe(grantee);
  }

  /** The functions that give up are Lambda's own pollers, which count nothing of it without a price: the bucket tells. */
  #tellOfGivenUp(...failureBuckets: readonly (IBucket | undefined)[]): Metric {
    const buckets = [...new Set(failureBuckets)].filter((bucket) => bucket !== undefined);
    const rule = new Rule(this, 'GivenUp', {
      description: 'Batches that Lambda has given up, as objects in the failure buckets',
      eventPattern: {
        source: ['aws.s3'],
        detailType: ['Object Created'],
        detail: { bucket: { name: buckets.map(({ bucketName }) => bucketName) }, object: { key: [{ prefix: givenUpPrefix }] } },
      },
    });
    const [bucket, key] = ['$.detail.bucket.name', '$.detail.object.key'].map((path) => EventField.fromPath(path));
    const message = RuleTargetInput.fromText(
      `A batch was given up and is kept as s3://${bucket}/${key}. What to do: ${this.#runbookUrl}dead-letters.md`,
    );
    rule.addTarget(topicTarget(this.alarmTopic.topic, this.alarmTopic.encryptionKey, { message }));
    return new Metric({
      namespace: 'AWS/Events',
      metricName: 'Invocations',
      dimensionsMap: { RuleName: rule.ruleName },
      statistic: Stats.SUM,
    });
  }
}
