import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atr } from '../../core/indicators/atr.ts';
import type { BarSource } from '../../core/indicators/bar-source.ts';
import { bollinger } from '../../core/indicators/bollinger.ts';
import type { ClosedBar } from '../../core/indicators/closed-bar.ts';
import { donchian } from '../../core/indicators/donchian.ts';
import { ema } from '../../core/indicators/ema.ts';
import { macd } from '../../core/indicators/macd.ts';
import type { Series } from '../../core/indicators/program.ts';
import { rateOfChange } from '../../core/indicators/rate-of-change.ts';
import { rsi } from '../../core/indicators/rsi.ts';
import { sma } from '../../core/indicators/sma.ts';
import { vwapSession } from '../../core/indicators/vwap-session.ts';
import { zScore } from '../../core/indicators/z-score.ts';
import { barsOf, IndicatorHarness } from './indicators-harness.ts';

type Contract = {
  readonly name: string;
  readonly make: (bar: BarSource) => Series | Record<string, Series>;
  /** The bar on which each output has its first value, counted from 1. */
  readonly firstBars: readonly number[];
  /** What all prices × k do to each output: it is multiplied too, or it stays. */
  readonly scales: 'with the price' | 'not at all';
  /** What each output is while the price never moves. */
  readonly flat: (price: number) => readonly number[];
  /** Relative; price × size over size may round, nothing else does. */
  readonly flatTolerance?: number;
};

const contracts: readonly Contract[] = [
  { name: 'sma', make: (bar) => sma(bar.close, 5), firstBars: [5], scales: 'with the price', flat: (price) => [price] },
  { name: 'sma of 1', make: (bar) => sma(bar.close, 1), firstBars: [1], scales: 'with the price', flat: (price) => [price] },
  { name: 'ema', make: (bar) => ema(bar.close, 5), firstBars: [5], scales: 'with the price', flat: (price) => [price] },
  {
    name: 'ema seeded with the first value',
    make: (bar) => ema(bar.close, 5, { seed: 'first' }),
    firstBars: [5],
    scales: 'with the price',
    flat: (price) => [price],
  },
  { name: 'rsi', make: (bar) => rsi(bar.close, 5), firstBars: [6], scales: 'not at all', flat: () => [50] },
  { name: 'atr', make: (bar) => atr(bar, 5), firstBars: [5], scales: 'with the price', flat: () => [0] },
  {
    name: 'macd',
    make: (bar) => macd(bar.close, { fast: 3, slow: 6, signal: 4 }),
    firstBars: [6, 9, 9],
    scales: 'with the price',
    flat: () => [0, 0, 0],
  },
  {
    name: 'bollinger',
    make: (bar) => bollinger(bar.close, 5, 2),
    firstBars: [5, 5, 5],
    scales: 'with the price',
    flat: (price) => [price, price, price],
  },
  {
    name: 'donchian',
    make: (bar) => donchian(bar, 5),
    firstBars: [5, 5, 5],
    scales: 'with the price',
    flat: (price) => [price, price, price],
  },
  {
    name: 'vwapSession',
    make: (bar) => vwapSession(bar),
    firstBars: [1],
    scales: 'with the price',
    flat: (price) => [price],
    flatTolerance: 1e-12,
  },
  { name: 'rateOfChange', make: (bar) => rateOfChange(bar.close, 5), firstBars: [6], scales: 'not at all', flat: () => [0] },
  { name: 'zScore', make: (bar) => zScore(bar.close, 5), firstBars: [5], scales: 'not at all', flat: () => [0] },
  {
    name: 'an indicator of an indicator',
    make: (bar) => ema(rsi(bar.close, 5), 3),
    firstBars: [8],
    scales: 'not at all',
    flat: () => [50],
  },
];

const candle = fc
  .record({
    open: cents(),
    close: cents(),
    up: fc.integer({ min: 0, max: 500 }),
    down: fc.integer({ min: 0, max: 500 }),
    volume: fc.integer({ min: 1, max: 1_000 }),
  })
  .map(({ open, close, up, down, volume }) => ({
    open: open / 64,
    close: close / 64,
    high: (Math.max(open, close) + up) / 64,
    low: (Math.min(open, close) - down) / 64,
    volume,
  }));
const someBars = fc.array(candle, { minLength: 12, maxLength: 60 }).map(barsOf);

function cents() {
  return fc.integer({ min: 1_000, max: 100_000 });
}

function scaled(bar: ClosedBar, factor: number): ClosedBar {
  const { open, high, low, close, notional } = bar;
  return { ...bar, open: open * factor, high: high * factor, low: low * factor, close: close * factor, notional: notional * factor };
}

describe.each(contracts)('$name', ({ make, firstBars, scales, flat, flatTolerance = 0 }) => {
  it('has no value before its first bar and one on every bar from there on', () => {
    fc.assert(
      fc.property(someBars, (bars) => {
        new IndicatorHarness(make).run(bars).forEach((values, i) => {
          expect(values.map(Number.isFinite)).toEqual(firstBars.map((firstBar) => i + 1 >= firstBar));
        });
      }),
    );
  });

  it('keeps the value of the bar before', () => {
    fc.assert(
      fc.property(someBars, (bars) => {
        const harness = new IndicatorHarness(make);
        let before = firstBars.map(() => Number.NaN);
        for (const bar of bars) {
          const now = harness.push(bar);
          expect(harness.previous()).toEqual(before);
          before = now;
        }
      }),
    );
  });

  it('goes on bit by bit the same from a copy of its slots', () => {
    fc.assert(
      fc.property(someBars, fc.nat(), (bars, cut) => {
        const at = cut % bars.length;
        const whole = new IndicatorHarness(make);
        const first = new IndicatorHarness(make);
        const second = new IndicatorHarness(make);
        const expected = whole.run(bars);
        first.run(bars.slice(0, at));
        const snapshot = new Uint8Array(first.slots.buffer).slice();
        second.slots = new Float64Array(snapshot.buffer);
        expect(second.run(bars.slice(at))).toEqual(expected.slice(at));
        expect(bytesOf(second.slots)).toEqual(bytesOf(whole.slots));
      }),
    );
  });

  it('is not disturbed by another symbol in the same slab', () => {
    fc.assert(
      fc.property(someBars, someBars, fc.array(fc.boolean(), { minLength: 120, maxLength: 120 }), (bars, others, turns) => {
        const slab = new IndicatorHarness(make, 2);
        const queues: [ClosedBar[], ClosedBar[]] = [[...bars], [...others]];
        const seen: [number[][], number[][]] = [[], []];
        for (const turn of [...turns, ...Array<boolean>(120).fill(true), ...Array<boolean>(120).fill(false)]) {
          const symbol = turn ? 0 : 1;
          const bar = queues[symbol].shift();
          if (bar !== undefined) seen[symbol].push(slab.push(bar, symbol));
        }
        expect(seen).toEqual([new IndicatorHarness(make).run(bars), new IndicatorHarness(make).run(others)]);
      }),
    );
  });

  it(`scales ${scales}, to the last bit for powers of two`, () => {
    fc.assert(
      fc.property(someBars, fc.integer({ min: -30, max: 30 }), (bars, exponent) => {
        const factor = 2 ** exponent;
        const expected = new IndicatorHarness(make)
          .run(bars)
          .map((values) => values.map((value) => (scales === 'not at all' ? value : value * factor)));
        expect(new IndicatorHarness(make).run(bars.map((bar) => scaled(bar, factor)))).toEqual(expected);
      }),
    );
  });

  it.each([1e-8, 0.1, 181.85, 1e9, 123_456_789.123])('is exact while the price stays at %d', (price) => {
    const bars = barsOf(Array<number>(500).fill(price)).map((bar) => ({ ...bar, notional: price * bar.volume }));
    for (const values of new IndicatorHarness(make).run(bars).slice(Math.max(...firstBars) - 1)) {
      values.forEach((value, i) => {
        expect(Math.abs(value - (flat(price)[i] as number))).toBeLessThanOrEqual(price * flatTolerance);
      });
    }
  });
});

describe('windows', () => {
  it.each([
    { name: 'sma', make: (bar: BarSource) => sma(bar.close, 5) },
    { name: 'bollinger', make: (bar: BarSource) => bollinger(bar.close, 5, 2) },
    { name: 'zScore', make: (bar: BarSource) => zScore(bar.close, 5) },
    { name: 'donchian', make: (bar: BarSource) => donchian(bar, 5) },
    { name: 'rateOfChange', make: (bar: BarSource) => rateOfChange(bar.close, 4) },
  ])('of $name forget what left them: the same last bars give the same bits after whatever history', ({ make }) => {
    fc.assert(
      fc.property(someBars, fc.constantFrom(1e-8, 1, 1e9), someBars, (history, factor, bars) => {
        const clean = new IndicatorHarness(make);
        const used = new IndicatorHarness(make);
        used.run(history.map((bar) => scaled(bar, factor)));
        expect(used.run(bars).slice(4)).toEqual(clean.run(bars).slice(4));
      }),
    );
  });
});

describe('equal values', () => {
  it('have exactly themselves as mean and no deviation, at every period and price', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.double({ min: 1e-8, max: 1e9, noNaN: true }), (period, price) => {
        const indicators = (bar: BarSource) => ({
          mean: sma(bar.close, period),
          average: ema(bar.close, period),
          ...bollinger(bar.close, period),
        });
        const values = new IndicatorHarness(indicators).run(barsOf(Array<number>(2 * period).fill(price)));
        expect(values.at(-1)).toEqual(Array(5).fill(price));
      }),
    );
  });
});

describe('bounds', () => {
  it('hold for rsi, the bands and the channel at any price', () => {
    const indicators = (bar: BarSource) => ({
      rsi: rsi(bar.close, 5),
      ...bollinger(bar.close, 5),
      top: donchian(bar, 5).upper,
      bottom: donchian(bar, 5).lower,
    });
    fc.assert(
      fc.property(someBars, fc.constantFrom(1e-8, 1, 1e9), (bars, factor) => {
        const harness = new IndicatorHarness(indicators);
        for (const bar of bars.map((unscaled) => scaled(unscaled, factor))) {
          const [strength, upper, middle, lower, top, bottom] = harness.push(bar) as [number, number, number, number, number, number];
          if (Number.isNaN(strength)) continue;
          expect(strength).toBeGreaterThanOrEqual(0);
          expect(strength).toBeLessThanOrEqual(100);
          expect(upper).toBeGreaterThanOrEqual(middle);
          expect(middle).toBeGreaterThanOrEqual(lower);
          expect(bar.close).toBeLessThanOrEqual(top);
          expect(bar.close).toBeGreaterThanOrEqual(bottom);
        }
      }),
    );
  });
});

describe('a bad period', () => {
  it.each<{ make: (bar: BarSource) => unknown; message: string }>([
    { make: (bar) => sma(bar.close, 0), message: 'sma: period must be a whole number of bars from 1 to 10000, received "0"' },
    { make: (bar) => ema(bar.close, 2.5), message: 'ema: period must be a whole number of bars from 1 to 10000, received "2.5"' },
    { make: (bar) => ema(bar.close, 5, { seed: 'zero' as 'sma' }), message: "ema: seed must be 'sma' or 'first', received \"zero\"" },
    { make: (bar) => rsi(bar.close, Number.NaN), message: 'rsi: period must be a whole number of bars from 1 to 10000, received "NaN"' },
    { make: (bar) => atr(bar, -1), message: 'atr: period must be a whole number of bars from 1 to 10000, received "-1"' },
    { make: (bar) => donchian(bar, 10_001), message: 'donchian: period must be a whole number of bars from 1 to 10000, received "10001"' },
    { make: (bar) => rateOfChange(bar.close, 0), message: 'rateOfChange: period must be' },
    { make: (bar) => zScore(bar.close, 1), message: 'zScore: period must be a whole number of bars from 2 to 10000, received "1"' },
    {
      make: (bar) => macd(bar.close, { fast: 26, slow: 12 }),
      message: 'macd: slow must be a whole number of bars from 27 to 10000, received "12"',
    },
    { make: (bar) => bollinger(bar.close, 20, 0), message: 'bollinger: deviations must be a positive number, received "0"' },
  ])('is refused: $message', ({ make, message }) => {
    expect(() => new IndicatorHarness((bar) => ({ made: make(bar) as Series }))).toThrow(message);
  });
});

function bytesOf(slots: Float64Array): Uint8Array {
  return new Uint8Array(slots.buffer, slots.byteOffset, slots.byteLength);
}
