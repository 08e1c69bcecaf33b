import { Stack } from 'aws-cdk-lib';
import { Metric, type MetricOptions, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import { consumeMetrics, type ConsumeMetric, metricNamespace, publishMetrics, type PublishMetric } from '../core/metrics.ts';

/** A metric that one of our handlers emits: the sum of what is counted, the largest of what is measured. */
export function metricOf(scope: Construct, entry: string, metricName: ConsumeMetric | PublishMetric, options: MetricOptions = {}): Metric {
  const unit = { ...consumeMetrics, ...publishMetrics }[metricName];
  return new Metric({
    namespace: metricNamespace,
    metricName,
    dimensionsMap: { service: `${Stack.of(scope).stackName}/${entry}` },
    statistic: unit === 'Count' ? Stats.SUM : Stats.MAXIMUM,
    ...options,
  });
}
