import type { Duration } from 'aws-cdk-lib';
import type { MathExpression, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import type { SessionClock } from './session-clock.ts';
import type { SignalBus } from './signal-bus.ts';
import type { SignalConsumer } from './signal-consumer.ts';
import type { SignalTopic } from './signal-topic.ts';
import type { Tape } from './tape.ts';
import type { Webhooks } from './webhooks.ts';

/** A history that says how long bars or trades wait for it. */
export type WatchedHistory = {
  metricDeliveryAgeSec(options?: { readonly period?: Duration; readonly label?: string }): Metric | MathExpression;
};

/** What alarms and the dashboard read their metrics from. */
export type Watched = {
  readonly tape: Tape;
  readonly consumer: SignalConsumer;
  readonly signals: SignalBus;
  readonly topic: SignalTopic;
  readonly history: WatchedHistory | undefined;
  readonly webhooks: Webhooks | undefined;
  /** Undefined where the market never closes. */
  readonly session: SessionClock | undefined;
  /** Batches that Lambda has given up. */
  readonly givenUp: Metric;
};
