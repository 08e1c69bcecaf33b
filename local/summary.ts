import { createHash } from 'node:crypto';
import type { Bar } from '../core/bar.ts';
import type { BucketState } from '../core/bucket-state.ts';
import { quarantineReasons, signalGuards } from '../core/reasons.ts';
import type { Signal } from '../core/signal.ts';
import { addTo, sumOf } from '../core/sum.ts';

/** What `--json` prints; `docs/outputs.md` says what each field counts. */
export type Summary = {
  readonly trades: number;
  readonly symbols: number;
  readonly volume: number;
  readonly bars: number;
  readonly revisions: number;
  readonly late: number;
  readonly quarantined: { readonly total: number; readonly byReason: Record<string, number> };
  readonly duplicates: number;
  readonly excluded: number;
  readonly feed: Readonly<Record<string, number>>;
  readonly signals: { readonly buy: number; readonly sell: number; readonly suppressed: Record<string, number> };
  readonly firstEventTimeMs: number | null;
  readonly lastEventTimeMs: number | null;
  readonly seconds: number;
  readonly digest?: Digest;
};

export type Digest = { readonly bars: string; readonly signals: string };

export type SummaryInput = {
  readonly states: Iterable<BucketState>;
  readonly feedCounts: Readonly<Record<string, number>>;
  /** Lines of the feed that became no trade. */
  readonly rejectedByReason: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly digest?: Digest | undefined;
};

/** Adds up what all buckets have counted. */
export function summaryOf({ states, feedCounts, rejectedByReason, seconds, digest }: SummaryInput): Summary {
  const sums = { trades: 0, symbols: 0, bars: 0, revisions: 0, late: 0, duplicates: 0, excluded: 0, buy: 0, sell: 0 };
  const volume = new Float64Array(2);
  const suppressed = new Float64Array(signalGuards.length);
  const byReason: Record<string, number> = { ...rejectedByReason };
  let firstEventTimeMs = Number.POSITIVE_INFINITY;
  let lastEventTimeMs = Number.NEGATIVE_INFINITY;
  for (const state of states) {
    sums.trades += state.counts.trades;
    sums.symbols += state.symbols.length;
    sums.late += state.counts.lateEverywhere;
    sums.duplicates += state.counts.duplicates;
    sums.excluded += state.counts.excluded;
    sums.buy += state.counts.buys;
    sums.sell += state.counts.sells;
    for (const table of state.tables) {
      sums.bars += table.barCount;
      sums.revisions += table.revisionCount;
    }
    for (const part of state.volume) addTo(volume, 0, part);
    for (const [i, count] of state.suppressedCounts.entries()) suppressed[i] = (suppressed[i] as number) + count;
    for (const [reason, count] of state.quarantinedCounts) byReason[reason] = (byReason[reason] ?? 0) + count;
    firstEventTimeMs = Math.min(firstEventTimeMs, state.firstEventTimeMs);
    lastEventTimeMs = Math.max(lastEventTimeMs, state.lastEventTimeMs);
  }
  const { buy, sell, ...counts } = sums;
  return {
    ...counts,
    volume: sumOf(volume, 0),
    quarantined: {
      total: Object.values(byReason).reduce((total, count) => total + count, 0),
      byReason: inListOrder(byReason, quarantineReasons),
    },
    feed: feedCounts,
    signals: {
      buy,
      sell,
      suppressed: inListOrder(Object.fromEntries(signalGuards.map((guard, i) => [guard, suppressed[i] as number])), signalGuards),
    },
    firstEventTimeMs: Number.isFinite(firstEventTimeMs) ? firstEventTimeMs : null,
    lastEventTimeMs: Number.isFinite(lastEventTimeMs) ? lastEventTimeMs : null,
    seconds: Math.round(seconds * 1000) / 1000,
    ...(digest === undefined ? {} : { digest }),
  };
}

type Rows<T> = AsyncIterable<T> | Iterable<T>;
/** The final table of bars and all signals, each in order of its key: of a history, or of a replay. */
export type StandingRows = { bars(): Rows<Bar>; signals(): Rows<Signal> };

/** SHA-256 of the final table of bars and of the signals, as NDJSON lines sorted by key: (symbol, window start, window end, strategy). */
export async function digestOf(table: StandingRows): Promise<Digest> {
  return { bars: await sha256(table.bars()), signals: await sha256(table.signals()) };
}

async function sha256(rows: Rows<unknown>): Promise<string> {
  const hash = createHash('sha256');
  let lines = '';
  for await (const row of rows) {
    lines += `${JSON.stringify(row)}\n`;
    if (lines.length < 65_536) continue;
    hash.update(lines);
    lines = '';
  }
  return `sha256:${hash.update(lines).digest('hex')}`;
}

/** Without zeros, in the order of the closed list. */
function inListOrder(counts: Readonly<Record<string, number>>, list: readonly string[]): Record<string, number> {
  return Object.fromEntries(list.flatMap((name) => (counts[name] ? [[name, counts[name]]] : [])));
}
