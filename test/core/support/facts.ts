import { decodeRecord } from '../../../adapters/frames/decode.ts';
import type { Bar } from '../../../core/bar.ts';
import { BucketState, countNames, emptyOutcome } from '../../../core/bucket-state.ts';
import { advance } from '../../../core/consume.ts';
import type { Pipeline } from '../../../core/pipeline.ts';
import { barKey, sortedLines } from './memory-history.ts';
import type { StreamRecord } from './stream.ts';

/** All that a user can see of a fold, in a form that does not show how it was made. */
export type Facts = {
  readonly bars: string[];
  /** By bucket, in the order they were raised. */
  readonly signals: Record<number, string[]>;
  readonly late: string[];
  readonly quarantined: string[];
  readonly counts: Record<number, unknown>;
};

export type Folded = Facts & {
  readonly states: Map<number, BucketState> /** In the order they were given out. */;
  readonly emitted: string[];
};

/** One state for each bucket that has records, and one call for each of its records. */
export function foldWhole(pipeline: Pipeline, records: readonly StreamRecord[]): Folded {
  const states = new Map<number, BucketState>();
  const outcome = emptyOutcome();
  const signals: Record<number, string[]> = {};
  for (const record of records) {
    const bucket = Number(record.partitionKey);
    const state = states.get(bucket) ?? new BucketState(pipeline, bucket);
    states.set(bucket, state);
    advance(state, [decodeRecord(record, bucket)], outcome);
    const lines = outcome.signals.splice(0).map((signal) => JSON.stringify(signal));
    if (lines.length > 0) signals[bucket] = [...(signals[bucket] ?? []), ...lines];
  }
  return {
    bars: sortedLines(standing(outcome.bars).values()),
    signals,
    late: sortedLines(outcome.late),
    quarantined: sortedLines(outcome.quarantined),
    counts: Object.fromEntries([...states].map(([bucket, state]) => [bucket, countsOf(state)])),
    states,
    emitted: [...outcome.bars].map((bar) => JSON.stringify(bar)),
  };
}

/** Of each window the bar with the highest `rev`. @throws when revisions do not come one by one. */
function standing(bars: Iterable<Bar>): Map<string, Bar> {
  const table = new Map<string, Bar>();
  for (const bar of bars) {
    const before = table.get(barKey(bar))?.rev ?? -1;
    if (bar.rev !== before + 1) throw new Error(`revision ${bar.rev} after ${before}: ${barKey(bar)}`);
    table.set(barKey(bar), bar);
  }
  return table;
}

export function countsOf(state: BucketState) {
  return {
    ...Object.fromEntries(countNames.map((name) => [name, state.counts[name]])),
    quarantined: state.quarantinedByReason(),
    suppressed: [...state.suppressedCounts],
    volume: [...state.volume],
    firstEventTimeMs: state.firstEventTimeMs,
    lastEventTimeMs: state.lastEventTimeMs,
    watermarkMs: state.watermarkMs,
    tables: state.tables.map(({ barCount, revisionCount, tradeCount, lateCount }) => ({ barCount, revisionCount, tradeCount, lateCount })),
  };
}
