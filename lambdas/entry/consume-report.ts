import type { Metrics } from '@aws-lambda-powertools/metrics';
import { type ConsumeMetric, consumeMetrics } from '../../core/metrics.ts';
import type { QuarantineReason } from '../../core/reasons.ts';
import type { BatchReport } from '../consume-kinesis.ts';
import { addCounts } from './add-counts.ts';

/** What the log line of a batch says; what services count by themselves is no metric of ours. */
export type BatchLine = Partial<Record<ConsumeMetric, number>> & {
  readonly records: number;
  readonly checkpoints: number;
  readonly quarantinedByReason: Partial<Record<QuarantineReason, number>>;
};

export function batchLineOf(batch: BatchReport): BatchLine {
  const { records, trades, duplicates, outcome, checkpoints, stateBytes, watermarkLagMs } = batch;
  const { bars, signals, late, quarantined } = outcome;
  const byReason = Object.groupBy(quarantined, ({ reason }) => reason);
  return {
    records,
    trades,
    duplicates,
    bars: bars.length,
    signals: signals.length,
    late: late.length,
    quarantined: quarantined.length,
    checkpoints,
    stateBytes,
    ...(watermarkLagMs !== undefined && { watermarkLagMs }),
    quarantinedByReason: Object.fromEntries(Object.entries(byReason).map(([reason, entries]) => [reason, entries.length])),
  };
}

/** What happened as metrics, and the quarantined once more for each reason. */
export function addBatch(metrics: Metrics, { records: _, checkpoints: __, quarantinedByReason, ...numbers }: BatchLine): void {
  addCounts(metrics, consumeMetrics, numbers);
  for (const [reason, count] of Object.entries(quarantinedByReason)) {
    metrics.singleMetric().addDimension('reason', reason).addMetric('quarantined', 'Count', count);
  }
}
