import { BarBatch, type LateTrade } from './bar.ts';
import { type BarSink, BarTable } from './bar-table.ts';
import { IdSet } from './id-set.ts';
import type { Pipeline } from './pipeline.ts';
import { type Quarantined, type QuarantineReason, quarantineReasons, signalGuards } from './reasons.ts';
import { bySignalOrder, type LinkedSignal, type Signal } from './signal.ts';
import type { ClosedBar, StrategyOutput } from './strategy.ts';

/** What came out of folding some records, in the order it came out. */
export type Outcome = {
  readonly bars: BarBatch;
  readonly signals: LinkedSignal[];
  readonly late: LateTrade[];
  readonly quarantined: Quarantined[];
};

export function emptyOutcome(): Outcome {
  return { bars: new BarBatch(), signals: [], late: [], quarantined: [] };
}

/** One producer's frames in this bucket: the highest number seen, and lower ones that have not come yet. */
export type ProducerState = { last: number; readonly missing: Set<number> };

/** Counts over the life of a bucket; part of the state, so that they too are counted once. */
export const countNames = [
  'trades',
  'duplicates',
  'lateEverywhere',
  'excluded',
  'repeatedFrames',
  'missingFrames',
  'buys',
  'sells',
] as const;
export type CountName = (typeof countNames)[number];

/** All that one bucket remembers between records. Changed in place by the fold; only `snapshot.ts` turns it into bytes and back. */
export class BucketState {
  readonly pipeline: Pipeline;
  readonly bucket: number;
  /** Sequence number of the last record that was folded; '' before the first. */
  sequenceNumber = '';
  /** The last record that was folded of each shard that has held the bucket, the latest at the end. */
  readonly shards = new Map<string, string>();
  /** No more trades older than this are expected. */
  watermarkMs = Number.NEGATIVE_INFINITY;
  firstEventTimeMs = Number.POSITIVE_INFINITY;
  lastEventTimeMs = Number.NEGATIVE_INFINITY;
  /** Size of all trades in bars, as a sum of two slots. */
  readonly volume = new Float64Array(2);
  readonly counts: Record<CountName, number>;
  readonly quarantinedCounts = new Map<QuarantineReason, number>();
  readonly suppressedCounts = new Float64Array(signalGuards.length);
  readonly producers = new Map<string, ProducerState>();
  readonly symbols: string[] = [];
  readonly symbolIds = new Map<string, number>();
  readonly tables: readonly BarTable[];
  tradeIds = new IdSet();
  /** The list of the frame before, and the number of each symbol in it, -1 for one of another bucket. */
  frameSymbols: readonly string[] = [];
  frameSymbolNumbers = new Int32Array(0);
  strategySlots: Float64Array;
  /** The next watermark at which a window closes or goes. */
  nextActionMs = Number.POSITIVE_INFINITY;

  /** Where the fold puts what comes out; set for the length of one call. */
  outcome: Outcome = emptyOutcome();
  /** Position of the record being folded, for faults of strategies. */
  position = '';
  isClosing = false;
  readonly sink: BarSink;

  constructor(pipeline: Pipeline, bucket: number) {
    this.pipeline = pipeline;
    this.bucket = bucket;
    this.counts = Object.fromEntries(countNames.map((name) => [name, 0])) as Record<CountName, number>;
    this.tables = pipeline.windowSizesMs.map(
      (windowSizeMs) =>
        new BarTable({
          windowSizeMs,
          offsetMs: pipeline.windowOffsetMs,
          allowedLatenessMs: pipeline.allowedLatenessMs,
          carriesEmptyWindows: pipeline.emptyWindows === 'carry',
          calendar: pipeline.calendar,
        }),
    );
    this.strategySlots = new Float64Array(16 * pipeline.strategies.slotsPerSymbol);
    this.sink = makeSink(this);
  }

  /** The number of a symbol of this bucket, given when it is first seen. */
  addSymbol(symbol: string): number {
    const id = this.symbols.length;
    this.symbols.push(symbol);
    this.symbolIds.set(symbol, id);
    for (const table of this.tables) table.addSymbol(id);
    const { slotsPerSymbol } = this.pipeline.strategies;
    if ((id + 1) * slotsPerSymbol > this.strategySlots.length) {
      const slots = new Float64Array(this.strategySlots.length * 2);
      slots.set(this.strategySlots);
      this.strategySlots = slots;
    }
    this.pipeline.strategies.initialize(this.strategySlots, id * slotsPerSymbol);
    return id;
  }

  quarantine(position: string, reason: QuarantineReason, sample: string): void {
    this.outcome.quarantined.push({ position, reason, sample });
    this.quarantinedCounts.set(reason, (this.quarantinedCounts.get(reason) ?? 0) + 1);
  }

  /** In the order of the closed list, without zeros. */
  quarantinedByReason(): Partial<Record<QuarantineReason, number>> {
    return Object.fromEntries(
      quarantineReasons.flatMap((reason) => (this.quarantinedCounts.has(reason) ? [[reason, this.quarantinedCounts.get(reason)]] : [])),
    );
  }

  setNextAction(): void {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const table of this.tables) nextMs = Math.min(nextMs, table.nextActionMs);
    this.nextActionMs = nextMs;
  }
}

/** Bars go to the outcome and, when they close on time, to the strategies: these never see a bar twice, nor time going back. */
function makeSink(state: BucketState): BarSink {
  const { strategies } = state.pipeline;
  const closed: ClosedBar = {
    symbol: '',
    windowStartMs: 0,
    windowEndMs: 0,
    open: 0,
    high: 0,
    low: 0,
    close: 0,
    volume: 0,
    notional: 0,
    tradeCount: 0,
  };
  const output = { signals: [] as Signal[], suppressed: state.suppressedCounts, faults: [] } satisfies StrategyOutput as StrategyOutput;
  return (table, symbol, { windowStartMs, open, high, low, close, volume, notional, tradeCount, rev }) => {
    const name = state.symbols[symbol] as string;
    const windowEndMs = windowStartMs + table.windowSizeMs;
    state.outcome.bars.add(name, windowStartMs, windowEndMs, open, high, low, close, volume, notional, tradeCount, rev);
    if (!state.isClosing || strategies.names.length === 0 || Number.isNaN(close) || Number.isNaN(high)) return;
    closed.symbol = name;
    closed.windowStartMs = windowStartMs;
    closed.windowEndMs = windowEndMs;
    closed.open = open;
    closed.high = high;
    closed.low = low;
    closed.close = close;
    closed.volume = volume;
    closed.notional = notional;
    closed.tradeCount = tradeCount;
    strategies.onBar(state.tables.indexOf(table), closed, state.strategySlots, symbol * strategies.slotsPerSymbol, output);
    if (output.signals.length > 0) takeSignals(state, output);
    for (const fault of output.faults.splice(0)) {
      state.quarantine(
        // One record can close many windows: with the record's position alone, all its faults would be one.
        `${state.position}/${fault.strategy}/${fault.symbol}`,
        fault.reason,
        `${fault.strategy} on ${fault.symbol}, window ${fault.windowStartMs}: ${fault.message}`.slice(0, 200),
      );
    }
  };
}

/** Each signal of the bar names the one before it; of several strategies' on one bar, in the order in which a symbol's signals go. */
function takeSignals(state: BucketState, { signals, previousId }: StrategyOutput): void {
  const inOrder = signals.toSorted(bySignalOrder);
  for (const signal of signals) {
    const before = inOrder[inOrder.indexOf(signal) - 1]?.signalId ?? previousId;
    state.outcome.signals.push(before === undefined ? signal : { ...signal, previousId: before });
    if (signal.side === 'buy') state.counts.buys++;
    else state.counts.sells++;
  }
  signals.length = 0;
}
