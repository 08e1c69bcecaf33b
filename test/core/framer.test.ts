import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addTrade } from '../../adapters/feeds/trade-fields.ts';
import { bucketOf } from '../../core/bucket.ts';
import { endFlag, type Frame } from '../../core/frame.ts';
import { Framer, type FramerSnapshot } from '../../core/framer.ts';
import { type Trade, TradeBatch } from '../../core/trade.ts';
import { entriesOf } from '../adapters/frames/reading.ts';
import { aheadMaxMs, arrivalTimeMs, markets } from './support/market.ts';
import { slicesOf } from './support/stream.ts';

type Emitted = { readonly bucket: number; readonly sequence: number; readonly entries: ReturnType<typeof entriesOf> };

const cuts = fc.array(fc.nat(140), { maxLength: 5 });
const shapes = fc.record({
  bucketCount: fc.constantFrom(1, 3, 16),
  entriesMax: fc.constantFrom(1, 2, 7, 4096),
  outOfOrdernessMs: fc.constantFrom(0, 1_000),
});

describe('the framer', () => {
  it('gives every trade once, in its bucket, in the order it was read, in frames numbered from 1', () => {
    fc.assert(
      fc.property(markets, shapes, cuts, (trades, shape, flushes) => {
        const { emitted } = frame(slicesOf(trades, flushes), shape);
        for (let bucket = 0; bucket < shape.bucketCount; bucket++) {
          const frames = emitted.filter((one) => one.bucket === bucket);
          const read = frames.flatMap(({ entries }) => entries.filter((entry) => 'symbol' in entry));
          expect(read).toEqual(trades.filter(({ symbol }) => bucketOf(symbol, shape.bucketCount) === bucket));
          expect(frames.map(({ sequence }) => sequence)).toEqual(frames.map((_, i) => i + 1));
          expect(frames.every(({ entries }) => entries.length > 0 && entries.length <= shape.entriesMax)).toBe(true);
        }
      }),
    );
  });

  it('tells a bucket what the feed has seen before it gives it a trade that is behind by more than it may be, and at each flush', () => {
    fc.assert(
      fc.property(markets, shapes, cuts, (trades, shape, flushes) => {
        const { emitted } = frame(slicesOf(trades, flushes), shape);
        let greatestMs = Number.NEGATIVE_INFINITY;
        const greatestAt = trades.map(({ eventTimeMs }) => {
          if (eventTimeMs <= arrivalTimeMs + aheadMaxMs) greatestMs = Math.max(greatestMs, eventTimeMs);
          return greatestMs;
        });
        for (let bucket = 0; bucket < shape.bucketCount; bucket++) {
          const indexes = [...trades.keys()].filter((i) => bucketOf((trades[i] as Trade).symbol, shape.bucketCount) === bucket);
          let toldMs = Number.NEGATIVE_INFINITY;
          for (const entry of emitted.filter((one) => one.bucket === bucket).flatMap(({ entries }) => entries)) {
            const timeMs = 'symbol' in entry ? entry.eventTimeMs : entry.heartbeatMs;
            if (timeMs <= arrivalTimeMs + aheadMaxMs) toldMs = Math.max(toldMs, timeMs);
            if (!('symbol' in entry)) continue;
            const seenMs = greatestAt[indexes.shift() as number] as number;
            if (timeMs < seenMs - shape.outOfOrdernessMs) expect(toldMs).toBe(seenMs);
          }
          expect(toldMs).toBe(greatestMs);
        }
      }),
    );
  });

  it('goes on the same from its snapshot, through JSON', () => {
    fc.assert(
      fc.property(markets, shapes, fc.nat(140), (trades, shape, cut) => {
        const slices = [trades.slice(0, cut), trades.slice(cut)];
        const whole = frame(slices, shape);
        const first = frame(slices.slice(0, 1), shape, undefined, false);
        const second = frame(slices.slice(1), shape, JSON.parse(JSON.stringify(first.snapshot)) as FramerSnapshot);
        expect([...first.emitted, ...second.emitted]).toEqual(whole.emitted);
        expect(second.snapshot).toEqual(whole.snapshot);
      }),
    );
  });

  it('ends each bucket once, when there was a trade', () => {
    const trade: Trade = { symbol: 'IBM', eventTimeMs: arrivalTimeMs, price: 1, size: 1 };
    const ends = frame([[trade]], { bucketCount: 3, entriesMax: 9 }).emitted.flatMap(({ entries }) =>
      entries.filter((entry) => 'flags' in entry && entry.flags === endFlag),
    );
    expect(ends).toEqual(Array.from({ length: 3 }, () => ({ heartbeatMs: arrivalTimeMs, flags: endFlag })));
    expect(frame([[]], { bucketCount: 3, entriesMax: 9 }).emitted).toEqual([]);
  });

  it('begins a frame anew when times are months apart, when condition sets are more than 256, and when texts grow large', () => {
    const trade = (i: number, more: Partial<Trade>): Trade => ({ symbol: 'IBM', eventTimeMs: i, price: 1, size: 1, ...more });
    const months = [0, 40, 1, 80].map((days) => trade(days * 86_400_000, {}));
    const sets = Array.from({ length: 600 }, (_, i) => trade(i, { conditions: [`c${i % 300}`] }));
    const texts = Array.from({ length: 4_000 }, (_, i) => trade(i, { tradeId: `${i}-${'x'.repeat(120)}` }));
    for (const trades of [months, sets, texts]) {
      const { emitted } = frame([trades], { bucketCount: 1, entriesMax: 4096 });
      expect(emitted.length).toBeGreaterThan(2);
      expect(emitted.flatMap(({ entries }) => entries.filter((entry) => 'symbol' in entry))).toEqual(trades);
    }
  });
});

/** Each slice is added and flushed; then the input ends. */
function frame(
  slices: readonly (readonly Trade[])[],
  shape: { bucketCount: number; entriesMax: number; outOfOrdernessMs?: number },
  from?: FramerSnapshot,
  ends = true,
) {
  const emitted: Emitted[] = [];
  const emit = (one: Frame) => emitted.push({ bucket: one.bucket, sequence: one.producerSequence, entries: entriesOf(one) });
  const framer = new Framer({ outOfOrdernessMs: 0, ...shape, producerId: 'feed', aheadMaxMs, emit, ...(from && { from }) });
  const batch = new TradeBatch(2);
  for (const slice of slices) {
    for (const trade of slice) addTrade(batch, trade);
    framer.add(batch, arrivalTimeMs);
    batch.clear();
    framer.flush();
  }
  if (ends) framer.end();
  return { emitted, snapshot: framer.snapshot() };
}
