import type { Duration } from 'aws-cdk-lib';
import type { MathExpression, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { SessionClock } from './session-clock.ts';
import type { SignalBus } from './signal-bus.ts';
import type { SignalConsumer } from './signal-consumer.ts';
import type { SignalTopic } from './signal-topic.ts';
import type { ReadTape } from './tape.ts';
import type { Webhooks } from './webhooks.ts';

type MetricTime = { readonly period?: Duration; readonly label?: string };

/** A history that says how long bars or trades wait for it, and what it sets aside. */
export type WatchedHistory = {
  metricDeliveryAgeSec(options?: MetricTime): Metric | MathExpression;
  /** What was kept aside instead of in the history, each by a name for graphs, also of what this consumer writes into it. */
  metricsSetAside(options: MetricTime, consumer: SignalConsumer): Readonly<Record<string, Metric>>;
  /** Of its function, as the next two; undefined without one. */
  metricErrors(options?: MetricTime): Metric | undefined;
  metricThrottles(options?: MetricTime): Metric | undefined;
  metricDurationMs(options?: MetricTime & { readonly statistic?: string }): Metric | undefined;
  /** Where Lambda puts the batches of its function that it gives up; undefined where nothing is given up. */
  readonly refusedBucket?: IBucket | undefined;
};

/** What alarms and the dashboard read their metrics from. */
export type Watched = {
  readonly tape: Pick<ReadTape, 'stream'>;
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
