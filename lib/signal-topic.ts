import { Duration, type RemovalPolicy } from 'aws-cdk-lib';
import type { Metric, MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import { type IEventBus, Rule, RuleTargetInput } from 'aws-cdk-lib/aws-events';
import type { Grant, IGrantable } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { FilterOrPolicy, type ITopicSubscription, SubscriptionFilter, Topic } from 'aws-cdk-lib/aws-sns';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { intervalText, parseInterval } from '../core/interval.ts';
import type { SignalFilter } from '../core/subscribers.ts';
import { acknowledge } from './acknowledge.ts';
import { DataKey, grantDecrypt } from './data-key.ts';
import { makeDataQueue } from './data-queue.ts';
import { kept } from './kept.ts';
import { SignalBus } from './signal-bus.ts';
import { topicTarget } from './topic-target.ts';

export type SignalTopicProps = {
  readonly bus: IEventBus;
  /** @default a customer key of its own; EventBridge cannot use the key that AWS manages for SNS */
  readonly encryptionKey?: IKey | undefined;
  /** Who gets the signals, each with `filterPolicyWithMessageBody` if not all of them. @default nobody, until somebody subscribes */
  readonly subscriptions?: readonly ITopicSubscription[] | undefined;
  /** Of the queue of undelivered signals. @default it stays when the stack goes */
  readonly removalPolicy?: RemovalPolicy | undefined;
};

/** An SNS topic that carries every signal of the bus: its message is the CloudEvent, as JSON. */
export class SignalTopic extends Construct {
  readonly topic: Topic;
  /** Signals that EventBridge could not give to the topic in 24 hours. */
  readonly undelivered: Queue;
  readonly encryptionKey: IKey;

  constructor(scope: Construct, id: string, props: SignalTopicProps) {
    super(scope, id);
    const { bus, subscriptions = [], removalPolicy = kept } = props;
    this.encryptionKey = props.encryptionKey ?? new DataKey(this, 'Key', { removalPolicy });
    this.topic = new Topic(this, 'Topic', { displayName: 'Tapeline signals', masterKey: this.encryptionKey, enforceSSL: true });
    for (const subscription of subscriptions) this.topic.addSubscription(subscription);
    this.undelivered = makeDataQueue(this, 'Undelivered', {
      encryptionKey: this.encryptionKey,
      retentionPeriod: Duration.days(14),
      removalPolicy,
    });
    acknowledge.finding(this.undelivered, 'SQS3', 'it is the dead-letter queue of the rule');
    const rule = new Rule(this, 'Rule', { eventBus: bus, description: 'Every signal to the topic', eventPattern: SignalBus.pattern });
    const message = RuleTargetInput.fromEventPath('$.detail');
    rule.addTarget(
      topicTarget(this.topic, this.encryptionKey, {
        message,
        deadLetterQueue: this.undelivered,
        maxEventAge: Duration.hours(24),
        retryAttempts: 185,
      }),
    );
  }

  /**
   * The filter of a subscription to the topic, on the message itself: EventBridge gives a message no attributes.
   *
   *     topic.addSubscription(new LambdaSubscription(handler, { filterPolicyWithMessageBody: SignalTopic.filterOf({ symbols: ['IBM'] }) }))
   *
   * @throws Error for a filter that lets everything or nothing pass
   */
  static filterOf({ symbols, strategies, sides, intervals, confidenceMin }: SignalFilter): Record<string, FilterOrPolicy> {
    const data = {
      ...allowed({ symbol: symbols, strategy: strategies, side: sides }),
      ...(confidenceMin !== undefined && {
        confidence: FilterOrPolicy.filter(SubscriptionFilter.numericFilter({ greaterThanOrEqualTo: confidenceMin })),
      }),
    };
    // As the event has it, which knows 60s as 1m.
    const event = allowed({ interval: intervals?.map((interval) => intervalText(parseInterval(interval))) });
    if (Object.keys({ ...data, ...event }).length === 0)
      throw new Error(
        'a filter must name symbols, strategies, sides, intervals or confidenceMin; subscribe without one to take all signals',
      );
    return Object.keys(data).length === 0 ? event : { ...event, data: FilterOrPolicy.policy(data) };
  }

  /** For a subscriber that makes its own subscription. */
  grantSubscribe(grantee: IGrantable): Grant {
    return this.topic.grantSubscribe(grantee);
  }

  /** For a subscribed queue or function that has to decrypt. */
  grantDecrypt(grantee: IGrantable): void {
    grantDecrypt(this.encryptionKey, grantee);
  }

  /** Signals that reached the topic. */
  metricPublished(options?: MetricOptions): Metric {
    return this.topic.metricNumberOfMessagesPublished(options);
  }

  /** Messages that a subscriber's endpoint did not take. */
  metricFailed(options?: MetricOptions): Metric {
    return this.topic.metricNumberOfNotificationsFailed(options);
  }

  /** Above zero when signals did not reach the topic. */
  metricUndelivered(options?: MetricOptions): Metric {
    return this.undelivered.metricApproximateNumberOfMessagesVisible({ statistic: 'Maximum', ...options });
  }
}

/** Of each field that is given, the values that pass. */
function allowed(wanted: Readonly<Record<string, readonly string[] | undefined>>): Record<string, FilterOrPolicy> {
  const given = Object.entries(wanted).flatMap(([field, allowlist]) => (allowlist === undefined ? [] : [{ field, allowlist }]));
  for (const { field, allowlist } of given)
    if (allowlist.length === 0) throw new Error(`a filter on ${field} must name at least one, received none; leave it out to take all`);
  const filter = (allowlist: readonly string[]) => FilterOrPolicy.filter(SubscriptionFilter.stringFilter({ allowlist: [...allowlist] }));
  return Object.fromEntries(given.map(({ field, allowlist }) => [field, filter(allowlist)]));
}
