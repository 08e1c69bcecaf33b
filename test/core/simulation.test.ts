import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type SimulationOptions, type SimulationOutput, simulateMarket } from '../../core/simulation.ts';
import { naturalLogOfFraction, Random } from '../../core/simulation-random.ts';
import { TradeBatch } from '../../core/trade.ts';

type Arrival = { symbol: string; eventTimeMs: number; price: number; size: number; tradeId: number; conditions: readonly string[] };
type Entry = Arrival | string;

const isTrade = (entry: Entry): entry is Arrival => typeof entry !== 'string';

/** Everything that a market gives out, in order; a bad line as its bytes in hexadecimal. */
function entriesOf(options: SimulationOptions, counts: Iterable<number> = [1_000_000]): Entry[] {
  const market = simulateMarket(options);
  const entries: Entry[] = [];
  const cuts = [...counts];
  for (let call = 0; !market.isOver; call++) {
    const out: SimulationOutput = { trades: new TradeBatch(), bad: [] };
    market.next(out, cuts[call % cuts.length] as number);
    let bad = 0;
    for (let i = 0; i < out.trades.length; i++) {
      for (; out.bad[bad]?.before === i; bad++) entries.push(Buffer.from(out.bad[bad]?.bytes ?? []).toString('hex'));
      entries.push(tradeAt(out.trades, i));
    }
    expect(bad).toBe(out.bad.length);
  }
  return entries;
}

function tradeAt(trades: TradeBatch, index: number): Arrival {
  return {
    symbol: trades.symbols[trades.symbolNumber[index] as number] as string,
    eventTimeMs: trades.eventTimeMs[index] as number,
    price: trades.price[index] as number,
    size: trades.size[index] as number,
    tradeId: trades.tradeIdNumber[index] as number,
    conditions: trades.conditionSets[trades.conditionSetNumber[index] as number] as readonly string[],
  };
}

const share = fc.constantFrom(0, 0.001, 0.1, 0.5, 1);
const market: fc.Arbitrary<Required<SimulationOptions>> = fc.record({
  symbols: fc.constantFrom(1, 2, 30, 1500),
  rate: fc.constantFrom(0.7, 5, 460, 3_000),
  seconds: fc.constantFrom(0.001, 0.5, 1, 2.75),
  seed: fc.oneof(fc.nat(), fc.maxSafeNat()),
  startMs: fc.constantFrom(0, 1_704_205_800_000),
  outOfOrderMs: fc.constantFrom(0, 1, 20, 2_000, 60_000),
  lateShare: share,
  duplicates: share,
  bad: share,
});
const laws = { numRuns: 60 };
const lateMinMs = 180_000;
const idOf = ({ symbol, tradeId }: Arrival) => `${symbol}/${tradeId}`;

describe('a simulated market', () => {
  it('is the same for the same options, however it is asked for', () => {
    fc.assert(
      fc.property(market, fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 5 }), (options, cuts) => {
        expect(entriesOf(options, cuts)).toEqual(entriesOf(options));
      }),
      laws,
    );
  });

  it('counts exactly what it gave out', () => {
    fc.assert(
      fc.property(market, (options) => {
        const entries = entriesOf(options);
        const trades = entries.filter(isTrade);
        const simulation = simulateMarket(options);
        simulation.next({ trades: new TradeBatch(), bad: [] }, Number.POSITIVE_INFINITY);
        const { counts } = simulation;
        const times = trades.map(({ eventTimeMs }) => eventTimeMs);
        expect(counts).toMatchObject({
          lines: entries.length,
          trades: new Set(trades.map(idOf)).size,
          duplicates: trades.length - new Set(trades.map(idOf)).size,
          late: lateOf(trades).size,
          bad: entries.length - trades.length,
          symbols: new Set(trades.map(({ symbol }) => symbol)).size,
          firstEventTimeMs: times.length === 0 ? null : Math.min(...times),
          lastEventTimeMs: times.length === 0 ? null : Math.max(...times),
        });
        expect(Object.values(counts.badByReason).reduce((sum, count) => sum + count, 0)).toBe(counts.bad);
        expect(counts.trades).toBe(Math.round((options.rate * Math.max(1, Math.round(options.seconds * 1000))) / 1000));
      }),
      laws,
    );
  });

  it('is never more out of order than asked for, but for the late trades', () => {
    fc.assert(
      fc.property(market, (options) => {
        const trades = entriesOf(options).filter(isTrade);
        const late = lateOf(trades);
        let newestMs = Number.NEGATIVE_INFINITY;
        for (const trade of trades) {
          if (late.has(idOf(trade))) continue;
          expect(newestMs - trade.eventTimeMs).toBeLessThanOrEqual(options.outOfOrderMs);
          newestMs = Math.max(newestMs, trade.eventTimeMs);
        }
      }),
      laws,
    );
  });

  it('repeats a trade verbatim, and only after the trade itself', () => {
    fc.assert(
      fc.property(market, (options) => {
        const first = new Map<string, Arrival>();
        for (const trade of entriesOf(options).filter(isTrade)) {
          const known = first.get(idOf(trade));
          if (known) expect(trade).toEqual(known);
          first.set(idOf(trade), trade);
        }
      }),
      laws,
    );
  });

  it('has the same trades with and without faults', () => {
    fc.assert(
      fc.property(market, (options) => {
        const clean = entriesOf({ ...options, outOfOrderMs: 0, lateShare: 0, duplicates: 0, bad: 0 }).filter(isTrade);
        const faulty = entriesOf({ ...options, lateShare: 0 }).filter(isTrade);
        expect(new Map(faulty.map((trade) => [idOf(trade), trade]))).toEqual(new Map(clean.map((trade) => [idOf(trade), trade])));
      }),
      laws,
    );
  });

  it('gives no trade before its time has come', () => {
    const options = { outOfOrderMs: 500, rate: 2_000, seconds: 3, duplicates: 0.1 };
    const simulation = simulateMarket(options);
    const whole = entriesOf(options).filter(isTrade);
    const paced: Arrival[] = [];
    for (let untilMs = 1_704_205_800_000 - 5; !simulation.isOver; untilMs += 7) {
      const out = { trades: new TradeBatch(), bad: [] };
      simulation.next(out, 1_000_000, untilMs);
      for (let i = 0; i < out.trades.length; i++) {
        paced.push(tradeAt(out.trades, i));
        expect(paced.at(-1)?.eventTimeMs).toBeLessThanOrEqual(untilMs);
      }
    }
    expect(paced).toEqual(whole);
  });

  it('numbers symbols anew in each batch that it fills', () => {
    const simulation = simulateMarket({ seconds: 5 });
    const batches = [new TradeBatch(), new TradeBatch()];
    const trades: Arrival[] = [];
    for (let call = 0; !simulation.isOver; call++) {
      const batch = batches[call % 2] as TradeBatch;
      batch.clear();
      simulation.next({ trades: batch, bad: [] }, 100);
      for (let i = 0; i < batch.length; i++) trades.push(tradeAt(batch, i));
    }
    expect(trades).toEqual(entriesOf({ seconds: 5 }));
  });

  it('goes on for ever when asked to', () => {
    const simulation = simulateMarket({ seconds: Number.POSITIVE_INFINITY, rate: 100_000 });
    const out = { trades: new TradeBatch(), bad: [] };
    expect(simulation.next(out, 500_000)).toBe(500_000);
    expect(simulation.isOver).toBe(false);
  });

  it('has these very bytes with seed 7', () => {
    const entries = entriesOf({ outOfOrderMs: 2_000, lateShare: 0.01, duplicates: 0.01, bad: 0.01 });
    expect(createHash('sha256').update(JSON.stringify(entries)).digest('hex')).toBe(
      '2988d28a1dec5a6b475abd45a0fc336bcf4d21e896f85bdeb9f345595e18d566',
    );
  });

  it('is another market with another seed', () => {
    expect(entriesOf({ seed: 8, seconds: 1 })).not.toEqual(entriesOf({ seed: 7, seconds: 1 }));
    expect(entriesOf({ seed: 7 + 2 ** 32, seconds: 1 })).not.toEqual(entriesOf({ seed: 7, seconds: 1 }));
  });

  it.each([1, 26, 1_500, 200_000])('has %i tickers of one to five letters, all different', (symbols) => {
    const { symbols: tickers } = simulateMarket({ symbols });
    expect(tickers).toHaveLength(symbols);
    expect(new Set(tickers).size).toBe(symbols);
    expect(tickers.every((ticker) => /^[A-Z]{1,5}$/.test(ticker))).toBe(true);
  });

  it.each<[SimulationOptions, string]>([
    [{ symbols: 0 }, 'symbols must be a whole number from 1 to 200,000, received "0"'],
    [{ symbols: 200_001 }, 'received "200001"'],
    [{ symbols: 1.5 }, 'received "1.5"'],
    [{ rate: 0 }, 'rate must be above 0'],
    [{ rate: Number.POSITIVE_INFINITY }, 'received "Infinity"'],
    [{ seconds: -1 }, 'seconds must be above 0, received "-1"'],
    [{ seconds: Number.NaN }, 'received "NaN"'],
    [{ seed: -1 }, 'seed must be'],
    [{ startMs: 1e15 }, 'startMs must be a time from 1970 to 2096'],
    [{ outOfOrderMs: 60_001 }, 'outOfOrderMs must be'],
    [{ lateShare: 1.1 }, 'lateShare must be from 0 to 1, received "1.1"'],
    [{ duplicates: -0.1 }, 'duplicates must be'],
    [{ bad: 2 }, 'bad must be'],
  ])('refuses %j', (options, message) => {
    expect(() => simulateMarket(options)).toThrow(message);
    expect(() => simulateMarket(options)).toThrow(RangeError);
  });
});

describe('its trades', () => {
  const trades = entriesOf({ rate: 20_000, seconds: 20 }).filter(isTrade);

  it('have whole ticks for prices, whole shares for sizes, and ids that count up from 1 in each symbol', () => {
    const ids = new Map<string, number>();
    for (const { symbol, price, size, tradeId } of trades) {
      if (!new RegExp(price < 1 ? '^0\\.[0-9]{1,4}$' : '^[0-9]+(\\.[0-9]{1,2})?$').test(String(price))) expect(price).toBe('a whole tick');
      if (!(Number.isInteger(size) && size > 0)) expect(size).toBe('a whole number of shares');
      if (tradeId !== (ids.get(symbol) ?? 0) + 1) expect(tradeId).toBe((ids.get(symbol) ?? 0) + 1);
      ids.set(symbol, tradeId);
    }
    expect(trades).toHaveLength(400_000);
  });

  it('come as chance has it: the count of a millisecond varies as much as it is large', () => {
    const perMs = new Float64Array(20_000);
    for (const { eventTimeMs } of trades) perMs[eventTimeMs - 1_704_205_800_000] = (perMs[eventTimeMs - 1_704_205_800_000] ?? 0) + 1;
    const mean = trades.length / perMs.length;
    const variance = perMs.reduce((sum, count) => sum + (count - mean) ** 2, 0) / perMs.length;
    expect(variance / mean).toBeGreaterThan(0.95);
    expect(variance / mean).toBeLessThan(1.05);
  });

  it('crowd in few symbols, as trading does', () => {
    const counts = new Map<string, number>();
    for (const { symbol } of trades) counts.set(symbol, (counts.get(symbol) ?? 0) + 1);
    const sorted = [...counts.values()].toSorted((a, b) => b - a);
    const shareOf = (most: number) => sorted.slice(0, most).reduce((sum, count) => sum + count, 0) / trades.length;
    expect(sorted).toHaveLength(1500);
    expect(shareOf(1)).toBeCloseTo(1 / 12 / harmonic(1500, 12), 2);
    expect(shareOf(150)).toBeCloseTo(harmonic(150, 12) / harmonic(1500, 12), 2);
  });

  it('are round lots for the most part, odd lots for a third, and carry conditions at times', () => {
    const shareWhere = (test: (trade: Arrival) => boolean) => trades.filter(test).length / trades.length;
    expect(shareWhere(({ size }) => size % 100 === 0)).toBeCloseTo(0.667, 2);
    expect(shareWhere(({ size }) => size < 100)).toBeCloseTo(0.333, 2);
    expect(shareWhere(({ conditions }) => conditions.length === 0)).toBeGreaterThan(0.4);
    expect(new Set(trades.map(({ conditions }) => conditions.join(''))).size).toBe(7);
  });
});

describe('its prices over a day', () => {
  const closes = closesByMinute({ symbols: 40, rate: 20, seconds: 23_400 });

  it('make averages cross, oscillators reach their ends and channels break', () => {
    let crosses = 0;
    let extremes = 0;
    let breakouts = 0;
    for (const series of closes) {
      crosses += crossesOf(series);
      extremes += extremesOf(series);
      breakouts += breakoutsOf(series);
    }
    const perSymbol = (count: number) => count / closes.length;
    expect(perSymbol(crosses)).toBeGreaterThan(4);
    expect(perSymbol(crosses)).toBeLessThan(40);
    expect(perSymbol(extremes)).toBeGreaterThan(4);
    expect(perSymbol(breakouts)).toBeGreaterThan(4);
  });

  it('stay within what a market would do', () => {
    for (const series of closes) {
      const start = series[0] as number;
      expect(Math.min(...series)).toBeGreaterThan(start / 8);
      expect(Math.max(...series)).toBeLessThan(start * 8);
    }
  });
});

describe('its chance', () => {
  it('has the natural logarithm to the last digits', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-9, max: 1, noNaN: true }), (fraction) => {
        expect(Math.abs(naturalLogOfFraction(fraction) - Math.log(fraction))).toBeLessThan(1e-14 * Math.max(1, -Math.log(fraction)));
      }),
    );
  });

  it('draws evenly, and waits 1 on average', () => {
    const random = new Random({ seed: 1, stream: 1 });
    const counts = new Array<number>(10).fill(0);
    let waited = 0;
    for (let i = 0; i < 100_000; i++) {
      const at = random.below(10);
      counts[at] = (counts[at] ?? 0) + 1;
      waited += random.exponential();
    }
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
    expect(waited / 100_000).toBeCloseTo(1, 1);
  });

  it('has streams that share nothing', () => {
    const draw = (seed: number, stream: number) =>
      Array.from(
        { length: 4 },
        (
          (random) => () =>
            random.uint32()
        )(new Random({ seed, stream })),
      );
    const all = [draw(7, 1), draw(7, 2), draw(8, 1), draw(7 + 2 ** 32, 1)].flat();
    expect(new Set(all).size).toBe(all.length);
    expect(draw(7, 1)).toEqual(draw(7, 1));
  });
});

/** Ids of the trades that came at least three minutes after a trade of their symbol that happened later. */
function lateOf(trades: readonly Arrival[]): Set<string> {
  const newestMs = new Map<string, number>();
  const late = new Set<string>();
  for (const trade of trades) {
    const newest = newestMs.get(trade.symbol) ?? Number.NEGATIVE_INFINITY;
    if (newest - trade.eventTimeMs >= lateMinMs) {
      late.add(idOf(trade));
      expect(newest - trade.eventTimeMs).toBeLessThanOrEqual(600_000);
    } else newestMs.set(trade.symbol, Math.max(newest, trade.eventTimeMs));
  }
  return late;
}

function harmonic(count: number, offset: number): number {
  let sum = 0;
  for (let rank = 0; rank < count; rank++) sum += 1 / (rank + offset);
  return sum;
}

function closesByMinute(options: SimulationOptions): number[][] {
  const simulation = simulateMarket(options);
  const out = { trades: new TradeBatch(), bad: [] };
  const closes = new Map<string, number[]>();
  while (!simulation.isOver) {
    out.trades.clear();
    simulation.next(out, 4096);
    for (let i = 0; i < out.trades.length; i++) {
      const { symbol, eventTimeMs, price } = tradeAt(out.trades, i);
      const minute = Math.floor((eventTimeMs - 1_704_205_800_000) / 60_000);
      const series = closes.get(symbol) ?? [];
      while (series.length < minute) series.push(series.at(-1) ?? price);
      series[minute] = price;
      closes.set(symbol, series);
    }
  }
  return [...closes.values()];
}

function crossesOf(series: readonly number[]): number {
  let fast = series[0] as number;
  let slow = fast;
  let crosses = 0;
  for (const close of series) {
    const wasAbove = fast > slow;
    fast += (close - fast) * (2 / 13);
    slow += (close - slow) * (2 / 27);
    if (fast > slow !== wasAbove) crosses++;
  }
  return crosses;
}

/** Minutes in which Wilder's RSI of 14 enters the zone above 70 or below 30. */
function extremesOf(series: readonly number[]): number {
  let gain = 0;
  let loss = 0;
  let isExtreme = false;
  let entries = 0;
  for (let i = 1; i < series.length; i++) {
    const change = (series[i] as number) - (series[i - 1] as number);
    gain += (Math.max(0, change) - gain) / 14;
    loss += (Math.max(0, -change) - loss) / 14;
    const rsi = gain + loss === 0 ? 50 : (100 * gain) / (gain + loss);
    const isNow = rsi > 70 || rsi < 30;
    if (isNow && !isExtreme && i > 30) entries++;
    isExtreme = isNow;
  }
  return entries;
}

function breakoutsOf(series: readonly number[]): number {
  let breakouts = 0;
  for (let i = 20; i < series.length; i++) if ((series[i] as number) > Math.max(...series.slice(i - 20, i))) breakouts++;
  return breakouts;
}
