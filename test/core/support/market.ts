import fc from 'fast-check';
import { addTrade } from '../../../adapters/feeds/trade-fields.ts';
import { encodePacked } from '../../../adapters/frames/packed.ts';
import type { Frame } from '../../../core/frame.ts';
import { Framer } from '../../../core/framer.ts';
import type { PipelineOptions } from '../../../core/pipeline.ts';
import { defineStrategy } from '../../../core/strategy.ts';
import { type Trade, TradeBatch } from '../../../core/trade.ts';
import { slicesOf, type StreamRecord } from './stream.ts';

const symbols = ['IBM', 'MSFT', 'BRK.B', '7203', 'BTC-USD', 'Ž'];
const startMs = Date.parse('2024-01-02T14:30:00Z');
/** When the feed reads the trades: all that is not ahead has happened by then. */
export const arrivalTimeMs = startMs + 10 * 86_400_000;
/** So much later they come onto the tape. What was too far ahead when it was read is not any more. */
const outageMs = 3_600_000;
export const aheadMaxMs = 60_000;

/**
 * Trades of several symbols as a feed might give them: out of order, late, twice, some from the future; with ids and conditions, or all
 * without, which the fold takes another way.
 */
export const markets: fc.Arbitrary<Trade[]> = fc
  .tuple(
    fc.boolean(),
    fc.array(
      fc.record({
        symbol: fc.nat(symbols.length - 1),
        stepMs: often(fc.nat(400), fc.nat(9_000)),
        backMs: often(fc.constant(0), fc.nat(1_500), fc.nat(90_000)),
        cents: fc.integer({ min: 1, max: 99_999 }),
        hundredths: often(
          fc.integer({ min: 1, max: 9 }).map((lots) => lots * 10_000),
          fc.integer({ min: 1, max: 99_999 }),
        ),
        tradeId: fc.oneof(fc.constant(''), fc.nat(1e6).map(String), fc.constantFrom('a', 'b', '007', '17', '9007199254740993')),
        conditions: often(fc.constant<string[]>([]), fc.subarray(['@', 'I', 'T', 'Z', 'M', '4', 'F'])),
        again: often(fc.constant(0), fc.integer({ min: 0, max: 12 })),
        isAhead: often(fc.constant(false), fc.constant(false), fc.boolean()),
      }),
      { minLength: 1, maxLength: 140 },
    ),
  )
  .map(([isPlain, steps]) => {
    const trades: Trade[] = [];
    let clockMs = startMs;
    for (const { symbol, stepMs, backMs, cents, hundredths, tradeId, conditions, again, isAhead } of steps) {
      clockMs += stepMs;
      const eventTimeMs = isAhead ? arrivalTimeMs + aheadMaxMs + 1 + stepMs : clockMs - backMs;
      const repeated = again > 0 ? trades.at(-again) : undefined;
      const amounts = { symbol: symbols[symbol] as string, eventTimeMs, price: cents / 100, size: hundredths / 100 };
      const details = isPlain ? {} : { ...(tradeId !== '' && { tradeId }), ...(conditions.length > 0 && { conditions }) };
      trades.push(repeated ?? { ...amounts, ...details });
    }
    return trades;
  });

/** The first most of the time. */
function often<T>(usual: fc.Arbitrary<T>, ...rare: fc.Arbitrary<T>[]): fc.Arbitrary<T> {
  return fc.oneof({ arbitrary: usual, weight: 6 }, ...rare.map((arbitrary) => ({ arbitrary, weight: 1 })));
}

const trend = defineStrategy('trend', ({ bar, ema, above, below, buy, sell, hold }) => {
  const fast = ema(bar.close, 2);
  const slow = ema(bar.close, 3);
  return () => (above(fast, slow) ? buy('up') : below(fast, slow) ? sell('down') : hold());
});

const guarded = defineStrategy(
  'guarded',
  { cooldownMs: 3_000, minimumHoldMs: 2_000, dailyCap: 9, allowShort: true },
  ({ bar, sma, timeframe, above, buy, sell }) => {
    const average = sma(bar.close, 2);
    const longer = timeframe('5s').bar.close;
    return () => (above(average, longer) ? buy('above') : sell('below', { confidence: 0.5 }));
  },
);

const fragile = defineStrategy('fragile', ({ bar, atr, above, buy, hold }) => {
  const range = atr(bar, 2);
  return () => {
    if (above(range, 700)) throw new Error('too wild');
    return above(range, 300) ? buy('wild') : hold();
  };
});

/** Pipelines with everything that a fold can do, on small windows. */
export const policies: fc.Arbitrary<Partial<PipelineOptions>> = fc
  .record({
    intervals: fc.constantFrom([1_000, 5_000], [1_000, 5_000], [1_000]),
    windowOffsetMs: often(fc.constant(0), fc.constantFrom(250, -300)),
    outOfOrdernessMs: fc.constantFrom(0, 1_000, 2_000),
    allowedLatenessMs: fc.constantFrom(0, 3_000, 60_000),
    emptyWindows: fc.constantFrom('none', 'carry'),
    conditions: fc.constantFrom('all', 'sip', 'sip+extended'),
  } as const)
  .map(({ intervals, ...rest }) => ({
    ...rest,
    windowSizesMs: intervals,
    aheadMaxMs,
    strategies: intervals.length > 1 ? [trend, guarded, fragile] : [trend, fragile],
  }));

export type TapeOptions = {
  readonly bucketCount: number;
  readonly entriesMax?: number;
  /** What the feed takes the pipeline's for. @default 0 */
  readonly outOfOrdernessMs?: number;
  /** Where the feed gives out what it has read. */
  readonly flushes?: readonly number[];
  /** Where an input ends and the next one goes on. */
  readonly ends?: readonly number[];
  /** Spoils a trade of a frame before it is encoded. */
  readonly spoil?: (frame: Frame) => void;
};

/** The log that a feed writes of these trades, up to its end. Sequence numbers pass a power of ten. */
export function tapeOf(
  trades: readonly Trade[],
  { bucketCount, entriesMax = 16, outOfOrdernessMs = 0, flushes = [], ends = [], spoil }: TapeOptions,
): StreamRecord[] {
  const records: StreamRecord[] = [];
  const emit = (frame: Frame) => {
    spoil?.(frame);
    records.push(recordOf(96 + records.length, frame.bucket, encodePacked(frame)));
  };
  const framer = new Framer({ bucketCount, producerId: 'feed', aheadMaxMs, outOfOrdernessMs, entriesMax, emit });
  const batch = new TradeBatch(4);
  let read = 0;
  for (const slice of slicesOf(trades, [...flushes, ...ends])) {
    for (const trade of slice) addTrade(batch, trade);
    framer.add(batch, arrivalTimeMs);
    batch.clear();
    framer.flush();
    read += slice.length;
    if (ends.includes(read)) framer.end();
  }
  framer.end();
  return records;
}

export function recordOf(sequence: number, bucket: number, data: Uint8Array): StreamRecord {
  return { sequenceNumber: String(sequence), partitionKey: String(bucket), arrivalTimeMs: arrivalTimeMs + outageMs, data };
}

/** Puts records that nobody can read between the others. */
export function withGarbage(records: readonly StreamRecord[], places: readonly number[], bucketCount: number): StreamRecord[] {
  const all = [...records];
  for (const [i, place] of places.entries()) {
    const data = garbage[i % garbage.length] as Uint8Array;
    all.splice(place % (all.length + 1), 0, recordOf(0, place % bucketCount, data));
  }
  return all.map((record, i) => ({ ...record, sequenceNumber: String(96 + i) }));
}

const garbage = [
  Buffer.from([0xf7, 0x54, 0x50, 0x46, 1]),
  Buffer.from('{"symbol":"IBM","eventTimeMs":1704205800000,"price":0,"size":1}\n{"symbol'),
  new Uint8Array(0),
  Buffer.from([0xc3, 0x28, 0, 1, 2]),
];
