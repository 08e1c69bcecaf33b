import type { Metrics } from '@aws-lambda-powertools/metrics';

type Unit = Parameters<Metrics['addMetric']>[1];

/**
 * Adds what was counted or measured, each in its unit, and leaves out what is zero: a metric is paid for in the hours in which it is sent, and
 * alarms and graphs take no data for zero.
 */
export function addCounts<Name extends string>(
  metrics: Metrics,
  units: Readonly<Record<Name, Unit>>,
  values: Readonly<Partial<Record<Name, number>>>,
): void {
  for (const [name, value] of Object.entries<number | undefined>(values)) {
    if (value) metrics.addMetric(name, units[name as Name], value);
  }
}
