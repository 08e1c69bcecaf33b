import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Frame } from '../../core/frame.ts';
import { packed, startMs } from '../adapters/frames/reading.ts';
import { arrivalTimeMs, markets, policies, recordOf, tapeOf } from './support/market.ts';
import { countsOf, type Facts, foldWhole, type Folded } from './support/facts.ts';
import { sortedLines } from './support/memory-history.ts';
import { pipelineWith, plainOptions } from './support/pipelines.ts';
import { referenceFold } from './support/reference.ts';

const flushes = fc.array(fc.nat(140), { maxLength: 6 });
const ends = fc.array(fc.integer({ min: 1, max: 140 }), { maxLength: 2 });
const frameSizes = fc.constantFrom(1, 2, 7, 4096);

describe('the fold', () => {
  it('gives what the rules say, trade by trade, for any number of buckets and any frames', () => {
    fc.assert(
      fc.property(
        markets,
        policies,
        fc.constantFrom(1, 4, 16),
        frameSizes,
        flushes,
        ends,
        (trades, policy, bucketCount, entriesMax, cuts, inputs) => {
          const options = { ...plainOptions, ...policy, bucketCount };
          const reference = referenceFold(trades, options, arrivalTimeMs, inputs);
          const facts = foldWhole(pipelineWith(options), tapeOf(trades, { ...options, entriesMax, flushes: cuts, ends: inputs }));
          expectSameBars(facts.bars, sortedLines(reference.bars));
          expect(withoutPosition(facts.late)).toEqual(sortedLines(reference.late));
          expect(sumOf(facts, 'duplicates')).toBe(reference.duplicates);
          expect(sumOf(facts, 'trades')).toBe(reference.accepted);
          expect(facts.quarantined.filter((line) => line.includes('event-time-too-far-ahead'))).toHaveLength(reference.tooFarAhead);
        },
      ),
      { numRuns: 600 },
    );
  });

  it('puts the average price of a bar between its low and its high, which all its trades make', () => {
    fc.assert(
      fc.property(markets, (trades) => {
        const { bars } = foldWhole(pipelineWith({ conditions: 'all' }), tapeOf(trades, plainOptions));
        const outside = bars.filter((line) => {
          const { low, high, vwap } = JSON.parse(line) as Record<'low' | 'high' | 'vwap', number>;
          return !(low <= vwap && vwap <= high);
        });
        expect(outside).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });

  it('gives the same bars, signals, late trades and counts for any number of buckets and any frames', () => {
    fc.assert(
      fc.property(markets, policies, frameSizes, flushes, ends, (trades, policy, entriesMax, cuts, inputs) => {
        const [one, ...others] = [1, 4, 16].map((bucketCount) =>
          foldWhole(
            pipelineWith({ ...policy, bucketCount }),
            tapeOf(trades, {
              ...policy,
              bucketCount,
              entriesMax: bucketCount === 1 ? 4096 : entriesMax,
              flushes: bucketCount === 1 ? [] : cuts,
              ends: inputs,
            }),
          ),
        );
        for (const other of others) expect(marketOf(other)).toEqual(marketOf(one as Folded));
      }),
      { numRuns: 150 },
    );
  });

  it('gives out its bars in one order, whatever the frames', () => {
    fc.assert(
      fc.property(markets, policies, frameSizes, flushes, (trades, policy, entriesMax, cuts) => {
        const emittedOf = (options: Parameters<typeof tapeOf>[1]) =>
          foldWhole(pipelineWith(policy), tapeOf(trades, { ...policy, ...options })).emitted;
        const single = emittedOf({ bucketCount: 1, entriesMax: 1, flushes: trades.map((_, i) => i) });
        expect(emittedOf({ bucketCount: 1, entriesMax, flushes: cuts })).toEqual(single);
      }),
      { numRuns: 150 },
    );
  });

  it('closes a longer window at the end of an input, and goes on in it and in shorter ones with the next', () => {
    const trade = (afterMs: number) => ({ symbol: 'IBM', eventTimeMs: startMs + afterMs, price: 1, size: 1 });
    const tape = tapeOf([trade(0), trade(1_500), trade(2_500), trade(7_000)], { bucketCount: 1, ends: [2] });
    const { bars, late, emitted } = foldWhole(pipelineWith({ windowSizesMs: [1_000, 5_000] }), tape);
    expect(late).toEqual([]);
    expect(emitted.map((line) => Number(JSON.parse(line).windowEndMs) - startMs)).toEqual([
      1_000, 2_000, 5_000, 5_000, 3_000, 8_000, 10_000,
    ]);
    expect(bars).toHaveLength(6);
  });

  it('takes a trade id for a repeat in its window alone, whatever the buckets know of the time', () => {
    const trade = (symbol: string, afterMs: number, tradeId: string) => ({
      symbol,
      eventTimeMs: startMs + afterMs,
      price: 1,
      size: 1,
      tradeId,
    });
    const trades = [
      trade('A', 0, '7'),
      trade('B', 123_000, '1'),
      trade('A', 121_500, '7'),
      trade('A', 121_500, '7'),
      trade('C', 123_100, '2'),
    ];
    for (const bucketCount of [1, 16]) {
      const policy = { bucketCount, outOfOrdernessMs: 2_000, allowedLatenessMs: 60_000 };
      const facts = foldWhole(pipelineWith(policy), tapeOf(trades, policy));
      expect(facts.bars).toHaveLength(4);
      expect(sumOf(facts, 'duplicates')).toBe(1);
    }
  });

  it.each([[[1_000]], [[1_000, 5_000]]])(
    'closes on time what a trade has opened before a heartbeat of the same frame, in windows of %s ms',
    (windowSizesMs) => {
      const trade = (afterMs: number) => ({ symbol: 'IBM', eventTimeMs: startMs + afterMs, price: 1, size: 1 });
      const data = packed([trade(0), startMs + 1, trade(1_000), trade(999)]);
      const { bars, late } = foldWhole(pipelineWith({ windowSizesMs }), [recordOf(1, 0, data)]);
      expect(bars).toHaveLength(1);
      expect(late).toHaveLength(1);
    },
  );

  it('puts every trade in a bar, among the late or among the duplicates, in each interval', () => {
    fc.assert(
      fc.property(markets, policies, fc.constantFrom(1, 4), (trades, policy, bucketCount) => {
        const { states, late } = foldWhole(pipelineWith({ ...policy, bucketCount }), tapeOf(trades, { bucketCount }));
        let inTables = 0;
        for (const state of states.values()) {
          for (const table of state.tables) {
            expect(table.tradeCount + table.lateCount + state.counts.duplicates).toBe(state.counts.trades);
            inTables += table.lateCount;
          }
        }
        expect(late).toHaveLength(inTables);
      }),
      { numRuns: 50 },
    );
  });

  it('counts in its bars what the sum of their trades says, whatever is spoiled on the way', () => {
    fc.assert(
      fc.property(
        markets,
        policies,
        fc.nat(20),
        fc.constantFrom(Number.NaN, 0, -1, Number.POSITIVE_INFINITY),
        (trades, policy, place, price) => {
          const spoil = (frame: Frame) => {
            if (place < frame.count) frame.price[place] = price;
          };
          const facts = foldWhole(
            pipelineWith({ ...policy, emptyWindows: 'none' }),
            tapeOf(trades, { bucketCount: 1, spoil, entriesMax: 24 }),
          );
          const [state] = [...facts.states.values()];
          const bars = facts.bars.map((line) => JSON.parse(line) as { tradeCount: number; windowEndMs: number; windowStartMs: number });
          for (const table of state?.tables ?? []) {
            const inBars = bars
              .filter((bar) => bar.windowEndMs - bar.windowStartMs === table.windowSizeMs)
              .reduce((sum, bar) => sum + bar.tradeCount, 0);
            expect(inBars).toBe(table.tradeCount);
          }
        },
      ),
      { numRuns: 50 },
    );
  });
});

/** The same to the last digit; but for the average price, where the reference divides exact sums and the fold sums of rounded products. */
function expectSameBars(bars: readonly string[], expected: readonly string[]): void {
  const parsed = (lines: readonly string[]) => lines.map((line) => JSON.parse(line) as Record<string, number | null>);
  const averages = parsed(expected).map(({ vwap }) => vwap);
  expect(parsed(bars).map(({ vwap: _, ...bar }) => bar)).toEqual(parsed(expected).map(({ vwap: _, ...bar }) => bar));
  for (const [i, { vwap }] of parsed(bars).entries()) {
    expect(Math.abs(Number(vwap) - Number(averages[i]))).toBeLessThanOrEqual(Number(averages[i]) * 1e-14);
  }
}

function withoutPosition(late: readonly string[]): string[] {
  return sortedLines(
    late.map((line) => {
      const { position: _, reason, ...trade } = JSON.parse(line) as Record<string, unknown>;
      expect(reason).toBe('beyond-allowed-lateness');
      return trade;
    }),
  );
}

function sumOf({ counts }: Facts, name: 'trades' | 'duplicates'): number {
  return Object.values(counts as Record<string, Record<string, number>>).reduce((sum, bucket) => sum + (bucket[name] as number), 0);
}

/** What a market is, whatever it was dealt out to. */
function marketOf(facts: Folded) {
  const states = [...facts.states.values()].map(countsOf);
  const sums = (pick: (counts: ReturnType<typeof countsOf>) => readonly number[]) =>
    states.map(pick).reduce((sum, values) => sum.map((value, i) => value + (values[i] as number)));
  return {
    bars: facts.bars,
    signals: Object.values(facts.signals).flat().toSorted(),
    late: withoutPosition(facts.late),
    suppressed: sums(({ suppressed }) => suppressed),
    tables: sums(({ tables }) => tables.flatMap((table) => Object.values(table))),
    faults: facts.quarantined
      .map((line) => JSON.parse(line) as { sample: string; reason: string })
      .filter(({ reason }) => reason.startsWith('strategy'))
      .map(({ sample }) => sample)
      .toSorted(),
    trades: sumOf(facts, 'trades'),
    duplicates: sumOf(facts, 'duplicates'),
  };
}
