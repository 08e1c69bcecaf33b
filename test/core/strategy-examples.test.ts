import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { calendarOf } from '../../core/calendar.ts';
import { signalGuards } from '../../core/reasons.ts';
import { compileStrategies, type Strategy, type StrategyOutput } from '../../core/strategy.ts';
import breakout from '../../strategies/breakout.ts';
import emaCross from '../../strategies/ema-cross.ts';
import rsiReversion from '../../strategies/rsi-reversion.ts';

const minuteMs = 60_000;

type Candle = { readonly high: number; readonly low: number; readonly close: number };
type Wish = 'buy' | 'sell' | 'hold';

const candles = fc
  .array(
    fc.record({ change: fc.integer({ min: -100, max: 100 }), up: fc.integer({ min: 0, max: 40 }), down: fc.integer({ min: 0, max: 40 }) }),
    {
      minLength: 40,
      maxLength: 200,
    },
  )
  .map((steps) => {
    let close = 100;
    return steps.map(({ change, up, down }) => {
      close = Math.max(10, close + change / 64);
      return { close, high: close + up / 64, low: close - down / 64 };
    });
  });

// Each idea once more, over whole arrays and in the plainest way.
describe.each<{ strategy: Strategy; firstBar: number; wishAt: (candles: readonly Candle[], i: number) => Wish }>([
  {
    strategy: emaCross,
    firstBar: 26,
    wishAt: (all, i) => {
      const difference = (at: number) => plainEma(all.slice(0, at + 1), 12) - plainEma(all.slice(0, at + 1), 26);
      if (difference(i) > 0 && difference(i - 1) <= 0) return 'buy';
      return difference(i) < 0 && difference(i - 1) >= 0 ? 'sell' : 'hold';
    },
  },
  {
    strategy: rsiReversion,
    firstBar: 15,
    wishAt: (all, i) => {
      const [now, before] = [plainRsi(all.slice(0, i + 1), 14), plainRsi(all.slice(0, i), 14)];
      if (now > 30 && before <= 30) return 'buy';
      return now < 70 && before >= 70 ? 'sell' : 'hold';
    },
  },
  {
    strategy: breakout,
    firstBar: 20,
    wishAt: (all, i) => {
      const { close } = all[i] as Candle;
      const vwap = all.slice(0, i + 1).reduce((sum, candle) => sum + candle.close, 0) / (i + 1);
      if (i >= 20 && close > Math.max(...all.slice(i - 20, i).map(({ high }) => high)) && close > vwap) return 'buy';
      return close < Math.min(...all.slice(i - 10, i).map(({ low }) => low)) ? 'sell' : 'hold';
    },
  },
])('$strategy.name', ({ strategy, firstBar, wishAt }) => {
  it('raises what its idea says, bar by bar', () => {
    fc.assert(
      fc.property(candles, (all) => {
        const expected: string[] = [];
        let isLong = false;
        for (let i = firstBar - 1; i < all.length; i++) {
          const wish = wishAt(all, i);
          if (wish !== (isLong ? 'sell' : 'buy')) continue;
          isLong = !isLong;
          expected.push(`${wish} at ${i}`);
        }
        expect(signalsOf(strategy, all)).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });
});

function signalsOf(strategy: Strategy, all: readonly Candle[]): string[] {
  const compiled = compileStrategies([strategy], { windowSizesMs: [minuteMs], calendar: calendarOf('always'), generation: '1' });
  const slots = new Float64Array(compiled.slotsPerSymbol);
  compiled.initialize(slots, 0);
  const out: StrategyOutput = { signals: [], suppressed: new Float64Array(signalGuards.length), faults: [] };
  for (const [i, { high, low, close }] of all.entries()) {
    const bar = { symbol: 'IBM', windowStartMs: i * minuteMs, windowEndMs: (i + 1) * minuteMs, open: close, high, low, close, volume: 1 };
    compiled.onBar(0, { ...bar, notional: close, tradeCount: 1 }, slots, 0, out);
  }
  expect(out.faults).toEqual([]);
  return out.signals.map(({ side, windowStartMs }) => `${side} at ${windowStartMs / minuteMs}`);
}

function plainEma(all: readonly Candle[], period: number): number {
  if (all.length < period) return Number.NaN;
  const closes = all.map(({ close }) => close);
  const seed = closes.slice(0, period).reduce((sum, close) => sum + close, 0) / period;
  return closes.slice(period).reduce((average, close) => average + (2 / (period + 1)) * (close - average), seed);
}

function plainRsi(all: readonly Candle[], period: number): number {
  if (all.length <= period) return Number.NaN;
  const changes = all.slice(1).map(({ close }, i) => close - (all[i] as Candle).close);
  const wilder = (values: readonly number[]) =>
    values
      .slice(period)
      .reduce((average, value) => (average * (period - 1) + value) / period, values.slice(0, period).reduce((a, b) => a + b, 0) / period);
  const gain = wilder(changes.map((change) => Math.max(change, 0)));
  const loss = wilder(changes.map((change) => Math.max(-change, 0)));
  return gain + loss === 0 ? 50 : 100 - 100 / (1 + gain / loss);
}
