import { Metric, type MetricOptions, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import {
  consumeMetrics,
  type ConsumeMetric,
  type DeliverMetric,
  deliverMetrics,
  type HistoryMetric,
  historyMetrics,
  metricNamespace,
  publishMetrics,
  type PublishMetric,
  sessionMetrics,
  type SessionMetric,
} from '../core/metrics.ts';
import { placeOf } from './place.ts';

type OwnMetric = ConsumeMetric | PublishMetric | DeliverMetric | HistoryMetric | SessionMetric;

/** A metric that one of our handlers emits: the sum of what is counted, the largest of what is measured. */
export function metricOf(scope: Construct, entry: string, metricName: OwnMetric, options: MetricOptions = {}): Metric {
  const unit = { ...consumeMetrics, ...publishMetrics, ...deliverMetrics, ...historyMetrics, ...sessionMetrics }[metricName];
  return new Metric({
    namespace: metricNamespace,
    metricName,
    dimensionsMap: { service: serviceOf(scope, entry) },
    statistic: unit === 'Count' ? Stats.SUM : Stats.MAXIMUM,
    ...options,
  });
}

/** Where the pipeline's stack has the construct with the function of each entry. */
const usualPaths: Readonly<Record<string, string>> = {
  consume: 'SignalConsumer',
  publish: 'SignalBus',
  deliver: 'Webhooks',
  history: 'History',
  'history-transform': 'History',
  session: 'Observability/SessionClock',
};

/** How a function calls itself in logs and metrics: `Tapeline/consume` in the pipeline's stack, `Desk/Fund/consume` of a consumer `Fund` elsewhere. */
export function serviceOf(scope: Construct, entry: string): string {
  return [...placeOf(scope, usualPaths[entry] ?? ''), entry].join('/');
}
