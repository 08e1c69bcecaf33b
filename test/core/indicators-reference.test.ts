import { existsSync, readFileSync } from 'node:fs';
import { ATR, BollingerBands, DonchianChannels, EMA, getZScore, MACD, ROC, RSI, SMA, VWAP } from 'trading-signals';
import { describe, expect, it } from 'vitest';
import { atr } from '../../core/indicators/atr.ts';
import type { BarSource } from '../../core/indicators/bar-source.ts';
import { bollinger } from '../../core/indicators/bollinger.ts';
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
import { randomOf } from './support/stream.ts';

const none = Number.NaN;

describe('by hand', () => {
  it.each<{ name: string; make: (bar: BarSource) => Series | Record<string, Series>; closes: number[]; expected: number[][] }>([
    { name: 'sma 3', make: (bar) => sma(bar.close, 3), closes: [1, 2, 3, 4, 8], expected: [[none], [none], [2], [3], [5]] },
    // Weight 1/2. Seed (1 + 2 + 3) / 3 = 2, then (2 + 4) / 2 and (3 + 8) / 2.
    {
      name: 'ema 3, seeded with the mean',
      make: (bar) => ema(bar.close, 3),
      closes: [1, 2, 3, 4, 8],
      expected: [[none], [none], [2], [3], [5.5]],
    },
    // 1, 1.5, 2.25, 3.125, 5.5625.
    {
      name: 'ema 3, seeded with the first value',
      make: (bar) => ema(bar.close, 3, { seed: 'first' }),
      closes: [1, 2, 3, 4, 8],
      expected: [[none], [none], [2.25], [3.125], [5.5625]],
    },
    // Changes +1 +1 | -1 +2: gains 1, 1/2, 5/4; losses 0, 1/2, 1/4.
    { name: 'rsi 2', make: (bar) => rsi(bar.close, 2), closes: [1, 2, 3, 2, 4], expected: [[none], [none], [100], [50], [250 / 3]] },
    { name: 'rsi 2, only falling', make: (bar) => rsi(bar.close, 2), closes: [4, 3, 2, 1], expected: [[none], [none], [0], [0]] },
    { name: 'rateOfChange 2', make: (bar) => rateOfChange(bar.close, 2), closes: [2, 3, 3, 6], expected: [[none], [none], [50], [100]] },
    // Mean 5, squares 16 + 1 + 1 + 1 + 0 + 0 + 4 + 9 = 32, over 8 is 4: the textbook deviation of 2.
    {
      name: 'bollinger 8 2',
      make: (bar) => bollinger(bar.close, 8, 2),
      closes: [2, 4, 4, 4, 5, 5, 7, 9],
      expected: [...Array<number[]>(7).fill([none, none, none]), [9, 5, 1]],
    },
    {
      name: 'zScore 8',
      make: (bar) => zScore(bar.close, 8),
      closes: [2, 4, 4, 4, 5, 5, 7, 9],
      expected: [...Array<number[]>(7).fill([none]), [2]],
    },
    // Fast ema 1 is the close, slow ema 3 as above: 3-2, 4-3, 8-5.5. Signal 2: mean of 1 and 1, then 1 + (2.5 - 1) × 2/3.
    {
      name: 'macd 1 3 2',
      make: (bar) => macd(bar.close, { fast: 1, slow: 3, signal: 2 }),
      closes: [1, 2, 3, 4, 8],
      expected: [
        [none, none, none],
        [none, none, none],
        [1, none, none],
        [1, 1, 0],
        [2.5, 2, 0.5],
      ],
    },
  ])('$name', ({ make, closes, expected }) => {
    expectClose(new IndicatorHarness(make).run(barsOf(closes)), expected, 1e-14);
  });

  const candles = barsOf([
    { open: 10, high: 12, low: 9, close: 11 }, // range 3
    { open: 11, high: 15, low: 11, close: 14 }, // range 4
    { open: 9, high: 9, low: 8, close: 8 }, // gap down: 14 - 8 = 6
    { open: 12, high: 13, low: 12, close: 13 }, // gap up: 13 - 8 = 5
  ]);

  it('atr 2 takes the gap into the range', () => {
    expect(new IndicatorHarness((bar) => atr(bar, 2)).run(candles)).toEqual([[none], [3.5], [4.75], [4.875]]);
  });

  it('donchian 2 includes the present bar, and its previous value is the breakout level', () => {
    const harness = new IndicatorHarness((bar) => donchian(bar, 2));
    expect(harness.run(candles)).toEqual([
      [none, none, none],
      [15, 9, 12],
      [15, 8, 11.5],
      [13, 8, 10.5],
    ]);
    expect(harness.previous()).toEqual([15, 8, 11.5]);
  });

  it('vwapSession begins anew with the day, and is the close until something was traded', () => {
    const dayMs = 86_400_000;
    const bars = [
      { atMs: 5 * dayMs - 1, volume: 10, notional: 100, close: 11 },
      { atMs: 5 * dayMs, volume: 0, notional: 0, close: 12 },
      { atMs: 5 * dayMs + 1, volume: 1, notional: 12, close: 12 },
      { atMs: 6 * dayMs - 1, volume: 3, notional: 40, close: 13 },
    ].map(({ atMs, ...bar }) => ({ ...(barsOf([1])[0] as ReturnType<typeof barsOf>[number]), windowStartMs: atMs, ...bar }));
    expect(new IndicatorHarness((bar) => vwapSession(bar)).run(bars)).toEqual([[10], [12], [12], [13]]);
  });
});

const folder = new URL('../../../shared/data/lean/indicators/', import.meta.url);
const hasLeanData = existsSync(folder);

describe.skipIf(!hasLeanData)(`LEAN's reference series${hasLeanData ? '' : ' (skipped: no ../shared/data/lean/indicators)'}`, () => {
  type Reference = {
    readonly file: string;
    readonly make: (bar: BarSource) => Series | Record<string, Series>;
    /** Their columns, in our order of outputs. */
    readonly columns: readonly string[];
    /** Half of the last digit that they print, and what the rounding of the prices they print does. */
    readonly tolerance: number;
    /** Turns our value into theirs, where they mean something else by the name. */
    readonly theirs?: (ours: number, closes: readonly number[], row: number) => number;
    /** How many values at the least must have been compared. */
    readonly least: number;
  };

  const references: readonly Reference[] = [
    { file: 'spy_with_indicators.txt', make: (bar) => sma(bar.close, 14), columns: ['SMA14'], tolerance: 0.0066, least: 480 },
    { file: 'spy_with_indicators.txt', make: (bar) => ema(bar.close, 14), columns: ['EMA14'], tolerance: 0.0066, least: 480 },
    { file: 'spy_ema.csv', make: (bar) => ema(bar.close, 14), columns: ['EMA14'], tolerance: 1e-9, least: 350 },
    { file: 'spy_with_indicators.txt', make: (bar) => rsi(bar.close, 14), columns: ['RSI 14 Wilder'], tolerance: 6e-6, least: 480 },
    { file: 'spy_with_indicators.txt', make: (bar) => macd(bar.close).macd, columns: ['MACD 12 26'], tolerance: 2.5e-4, least: 470 },
    // It begins in the middle of a longer history, so ours has to forget its seed first.
    { file: 'spy_with_macd.txt', make: (bar) => macd(bar.close), columns: ['MACD', 'Signal', 'Histogram'], tolerance: 7e-6, least: 180 },
    { file: 'spy_atr_wilder.txt', make: (bar) => atr(bar, 14), columns: ['Average True Range 14'], tolerance: 6e-6, least: 480 },
    {
      file: 'spy_bollinger_bands.txt',
      make: (bar) => bollinger(bar.close, 20, 2),
      columns: ['Bollinger Bands® 20 2 Top', 'Moving Average 20', 'Bollinger Bands® 20 2 Bottom'],
      tolerance: 7e-5,
      least: 480,
    },
    {
      file: 'spy_with_don50.txt',
      make: (bar) => donchian(bar, 50),
      columns: ['Donchian Channels 50 Top', 'Donchian Channels 50 Bottom', 'Donchian Channels 50 Mean'],
      tolerance: 1e-9,
      least: 450,
    },
    {
      file: 'spy_with_roc50.txt',
      make: (bar) => rateOfChange(bar.close, 50),
      columns: ['Rate of Change 50'],
      tolerance: 2e-5,
      theirs: (percent, closes, row) => (percent / 100) * (closes[row - 50] as number), // in dollars, which others call momentum
      least: 445,
    },
  ];

  it.each(references)('$file, $columns', ({ file, make, columns, tolerance, least, theirs = (ours: number) => ours }) => {
    const rows = rowsOf(file);
    const number = (row: Record<string, string>, name: string) =>
      Number(row[name] ?? row[name.toLowerCase()] ?? row['Close'] ?? row['close']);
    const bars = barsOf(
      rows.map((row) => ({ open: number(row, 'Open'), high: number(row, 'High'), low: number(row, 'Low'), close: number(row, 'Close') })),
    );
    const values = new IndicatorHarness(make).run(bars);
    const closes = bars.map(({ close }) => close);
    let compared = 0;
    for (const [i, row] of rows.entries()) {
      for (const [output, column] of columns.entries()) {
        const expected = row[column] === undefined || row[column] === '' ? Number.NaN : Number(row[column]);
        const actual = theirs(values[i]?.[output] as number, closes, i);
        if (Number.isNaN(expected) || Number.isNaN(actual)) continue;
        expect(Math.abs(actual - expected), `${column} of row ${i + 1}: ${actual} for ${expected}`).toBeLessThanOrEqual(tolerance);
        if (output === 0) compared++;
      }
    }
    expect(compared).toBeGreaterThanOrEqual(least);
  });

  function rowsOf(file: string): Record<string, string>[] {
    const [header = '', ...lines] = readFileSync(new URL(file, folder), 'utf8').split(/\r?\n/);
    const names = header
      .replace(/^\uFEFF/, '')
      .split(',')
      .map((name) => name.trim());
    return lines
      .filter((line) => line !== '')
      .map((line) => Object.fromEntries(line.split(',').map((text, i) => [names[i] ?? '', text.trim()])));
  }
});

describe('trading-signals, where it has the same convention', () => {
  const candles = walk(2_000);
  const bars = barsOf(candles);

  it.each<{
    name: string;
    make: (bar: BarSource) => Series | Record<string, Series>;
    peer: () => (candle: Candle) => (number | undefined)[];
  }>([
    { name: 'sma', make: (bar) => sma(bar.close, 20), peer: () => series(new SMA(20)) },
    { name: 'ema', make: (bar) => ema(bar.close, 20, { seed: 'first' }), peer: () => stableSeries(new EMA(20)) },
    { name: 'rsi', make: (bar) => rsi(bar.close, 14), peer: () => series(new RSI(14)) },
    {
      name: 'atr',
      make: (bar) => atr(bar, 14),
      peer: () => {
        const peer = new ATR(14);
        return (candle) => [peer.update(candle, false) ?? undefined];
      },
    },
    {
      name: 'macd and its signal, once the signal has seen its period',
      make: (bar) => macd(bar.close, { seed: 'first' }),
      peer: () => {
        const peer = new MACD(new EMA(12), new EMA(26), new EMA(9));
        return ({ close }) => {
          const answer = peer.update(close, false);
          return [answer?.macd, answer?.signal, answer?.histogram];
        };
      },
    },
    {
      name: 'bollinger',
      make: (bar) => bollinger(bar.close, 20, 2),
      peer: () => {
        const peer = new BollingerBands(20, 2);
        return ({ close }) => {
          const answer = peer.update(close, false);
          return [answer?.upper, answer?.middle, answer?.lower];
        };
      },
    },
    {
      name: 'donchian',
      make: (bar) => donchian(bar, 20),
      peer: () => {
        const peer = new DonchianChannels(20);
        return (candle) => {
          const answer = peer.update(candle, false);
          return [answer?.upper, answer?.lower, answer?.middle];
        };
      },
    },
    {
      name: 'rateOfChange, theirs as a fraction',
      make: (bar) => rateOfChange(bar.close, 10),
      peer: () => {
        const peer = new ROC(10);
        return ({ close }) => {
          const answer = peer.update(close, false);
          return [answer === null ? undefined : 100 * answer];
        };
      },
    },
    {
      name: 'vwapSession within one day, from typical prices',
      make: (bar) => vwapSession(bar),
      peer: () => {
        const peer = new VWAP();
        return (candle) => [peer.update(candle, false) ?? undefined];
      },
    },
    {
      name: 'zScore',
      make: (bar) => zScore(bar.close, 20),
      peer: () => {
        const closes: number[] = [];
        return ({ close }) => {
          closes.push(close);
          return [closes.length < 20 ? undefined : getZScore(closes.slice(-20))];
        };
      },
    },
  ])('$name', ({ make, peer }) => {
    const next = peer();
    const values = new IndicatorHarness(make).run(bars.slice(0, 1_400));
    let compared = 0;
    for (const [i, actual] of values.entries()) {
      const expected = next(candles[i] as Candle);
      for (const [output, value] of actual.entries()) {
        if (Number.isNaN(value)) continue;
        const theirs = expected[output] as number;
        expect(Math.abs(value - theirs), `output ${output} of bar ${i + 1}: ${value} for ${theirs}`).toBeLessThanOrEqual(
          1e-10 * Math.max(1, Math.abs(theirs)),
        );
        compared++;
      }
      // Where they have an answer, so do we, but for the signal of macd which is theirs at once.
      if (expected[0] !== undefined) expect(actual[0]).not.toBeNaN();
    }
    expect(compared).toBeGreaterThan(1_300);
  });
});

type Candle = { open: number; high: number; low: number; close: number; volume: number };

function series(peer: { update(value: number, replace: boolean): number | null }): (candle: Candle) => (number | undefined)[] {
  return ({ close }) => [peer.update(close, false) ?? undefined];
}

function stableSeries(peer: EMA): (candle: Candle) => (number | undefined)[] {
  return ({ close }) => {
    const answer = peer.update(close, false);
    return [peer.isStable ? answer : undefined];
  };
}

function walk(count: number): Candle[] {
  const chance = randomOf(7);
  let close = 100;
  return Array.from({ length: count }, () => {
    const open = close;
    close = Math.max(1, Math.round(100 * (open + chance() - 0.5)) / 100);
    return {
      open,
      close,
      high: Math.max(open, close) + chance(),
      low: Math.min(open, close) - chance(),
      volume: 1 + Math.floor(chance() * 1_000),
    };
  });
}

function expectClose(actual: readonly number[][], expected: readonly number[][], tolerance: number): void {
  expect(actual.map((values) => values.map(Number.isNaN))).toEqual(expected.map((values) => values.map(Number.isNaN)));
  for (const [i, values] of actual.entries()) {
    for (const [output, value] of values.entries()) {
      const wanted = expected[i]?.[output] as number;
      if (!Number.isNaN(wanted)) expect(Math.abs(value - wanted)).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(wanted)));
    }
  }
}
