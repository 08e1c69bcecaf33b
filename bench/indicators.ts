import { ATR, BollingerBands, EMA, MACD, RSI } from 'trading-signals';
import { calendarOf } from '../core/calendar.ts';
import { atr } from '../core/indicators/atr.ts';
import { BarRow, BarSource } from '../core/indicators/bar-source.ts';
import { bollinger } from '../core/indicators/bollinger.ts';
import type { ClosedBar } from '../core/indicators/closed-bar.ts';
import { ema } from '../core/indicators/ema.ts';
import { macd } from '../core/indicators/macd.ts';
import { Program, publish, type Series, SlotLayout, type Step } from '../core/indicators/program.ts';
import { rsi } from '../core/indicators/rsi.ts';
import { Random } from '../core/simulation-random.ts';
import type { Suite } from './suite.ts';

/** Ours against trading-signals, in million updates a second, and how far the answers are apart. */
export const indicatorRows: Suite = {
  name: 'indicators',
  summary: 'EMA, RSI, ATR, MACD and Bollinger, against trading-signals',
  run: async ({ rounds, progress }) => {
    progress('updating');
    return benchIndicators({ rounds }).map(({ name, symbolCount, ours, tradingSignals, timesFaster, differenceMax }) => {
      if (!(differenceMax < 1e-6)) throw new Error(`${name}: answers must be the same, they differ by ${differenceMax}`);
      return {
        what: `${name}, ${symbolCount.toLocaleString('en')} ${symbolCount === 1 ? 'symbol' : 'symbols'} / trading-signals`,
        ours,
        theirs: tradingSignals,
        unit: 'M updates/s',
        ratio: timesFaster,
        ...(!name.endsWith(ownLoop) && { goal: { atLeast: 1, aim: 2 } }),
      };
    });
  },
};

const ownLoop = ', in a loop of its own';

type IndicatorBench = {
  readonly name: string;
  readonly symbolCount: number;
  /** Million updates a second in the fastest round: what else the machine does slows the others. */
  readonly ours: number;
  readonly tradingSignals: number;
  readonly timesFaster: number;
  /** Greatest difference of the answers over the greater of 1 and the peer's answer. */
  readonly differenceMax: number;
};

/**
 * Updates a second of our indicators and those of trading-signals, on the same values in one process. Both sides run as in an engine that
 * does not know its strategies beforehand: one loop calls whatever indicator there is. Alone in a loop of its own a small indicator is
 * compiled into that loop, with its average in a register, which no engine has; for the smallest that is shown too. Everybody takes turns in every round; the values are dealt to one
 * symbol, then to as many as the market has. Answers are compared on a pass of their own.
 */
function benchIndicators({ valueCount = 1_000_000, rounds = 9, symbolCounts = [1, 1_500] } = {}): IndicatorBench[] {
  const candles = randomCandles(valueCount);
  return symbolCounts.flatMap((symbolCount) => {
    const differences = contests.map((contest) => differenceMaxOf(contest, candles, symbolCount));
    const seconds = contests.map(() => ({ ours: [] as number[], peer: [] as number[] }));
    for (let round = 0; round < rounds; round++) {
      for (const [i, { ours, peer }] of contests.entries()) {
        seconds[i]?.ours.push(secondsOf(ours(symbolCount), candles));
        seconds[i]?.peer.push(secondsOf(peer(symbolCount), candles));
      }
    }
    return contests.map(({ name }, i) => {
      const ours = valueCount / Math.min(...(seconds[i]?.ours ?? [])) / 1e6;
      const tradingSignals = valueCount / Math.min(...(seconds[i]?.peer ?? [])) / 1e6;
      return { name, symbolCount, ours, tradingSignals, timesFaster: ours / tradingSignals, differenceMax: differences[i] ?? Number.NaN };
    });
  });
}

type Candles = { readonly high: Float64Array; readonly low: Float64Array; readonly close: Float64Array };

/** Takes all candles, dealt to the symbols in turn; hands each answer, NaN for none, to `visit`. */
type Run = (candles: Candles, visit?: (value: number) => void) => void;

type Contest = { readonly name: string; readonly ours: (symbolCount: number) => Run; readonly peer: (symbolCount: number) => Run };

const contests: readonly Contest[] = [
  {
    name: 'EMA 20',
    ours: (symbolCount) => oursOf(symbolCount, (bar) => ema(bar.close, 20, { seed: 'first' })),
    peer: (symbolCount) => peersOf(symbolCount, () => new EMA(20)),
  },
  {
    name: 'RSI 14',
    ours: (symbolCount) => oursOf(symbolCount, (bar) => rsi(bar.close, 14)),
    peer: (symbolCount) => peersOf(symbolCount, () => new RSI(14)),
  },
  {
    name: 'ATR 14',
    ours: (symbolCount) => oursOf(symbolCount, (bar) => atr(bar, 14), { takesBars: true }),
    peer: (symbolCount) => peersOf(symbolCount, () => new ATR(14), { takesBars: true }),
  },
  {
    name: 'MACD 12 26 9',
    ours: (symbolCount) => oursOf(symbolCount, (bar) => macd(bar.close, { seed: 'first' }).histogram),
    peer: (symbolCount) => peersOf(symbolCount, () => new MACD(new EMA(12), new EMA(26), new EMA(9)), { field: 'histogram' }),
  },
  {
    name: 'Bollinger 20 2',
    ours: (symbolCount) => oursOf(symbolCount, (bar) => bollinger(bar.close, 20, 2).upper),
    peer: (symbolCount) => peersOf(symbolCount, () => new BollingerBands(20, 2), { field: 'upper' }),
  },
  {
    name: `EMA 20${ownLoop}`,
    ours: (symbolCount) => {
      const { slots, slotCount, closeSlot, answerSlot, steps } = programOf(symbolCount, (bar) => ema(bar.close, 20, { seed: 'first' }));
      const step = steps[0] as Step;
      return ({ close }, visit) => {
        for (let i = 0, base = 0; i < close.length; i++, base = base + slotCount === slots.length ? 0 : base + slotCount) {
          publish(slots, base + closeSlot, close[i] as number);
          step(slots, base, anyBar);
          if (visit !== undefined) visit(slots[base + answerSlot] as number);
        }
      };
    },
    peer: (symbolCount) => {
      const peers = Array.from({ length: symbolCount }, () => new EMA(20));
      return ({ close }, visit) => {
        for (let i = 0, symbol = 0; i < close.length; i++, symbol = symbol + 1 === symbolCount ? 0 : symbol + 1) {
          const answer = (peers[symbol] as EMA).update(close[i] as number, false);
          if (visit !== undefined) visit(answer);
        }
      };
    },
  },
];

type Peer<Input> = { update(input: Input, replace: boolean): number | object | null };
type PeerCandle = { high: number; low: number; close: number };

function peersOf(symbolCount: number, make: () => Peer<number>, options?: { field?: string }): Run;
function peersOf(symbolCount: number, make: () => Peer<PeerCandle>, options: { takesBars: true }): Run;
function peersOf(symbolCount: number, make: () => Peer<never>, { field = '', takesBars = false } = {}): Run {
  const peers = Array.from({ length: symbolCount }, make) as Peer<number | PeerCandle>[];
  return ({ high, low, close }, visit) => {
    for (let i = 0, symbol = 0; i < close.length; i++, symbol = symbol + 1 === symbolCount ? 0 : symbol + 1) {
      const price = close[i] as number;
      const input = takesBars ? { high: high[i] as number, low: low[i] as number, close: price } : price;
      const answer = (peers[symbol] as Peer<number | PeerCandle>).update(input, false);
      if (visit !== undefined) visit(numberIn(answer, field));
    }
  };
}

function numberIn(answer: number | object | null, field: string): number {
  if (answer === null) return Number.NaN;
  return typeof answer === 'number' ? answer : ((answer as Record<string, number>)[field] as number);
}

function oursOf(symbolCount: number, make: (bar: BarSource) => Series, { takesBars = false } = {}): Run {
  const { slots, slotCount, closeSlot, answerSlot, steps } = programOf(symbolCount, make);
  return ({ high, low, close }, visit) => {
    const bar = { ...anyBar };
    for (let i = 0, base = 0; i < close.length; i++, base = base + slotCount === slots.length ? 0 : base + slotCount) {
      if (takesBars) {
        bar.high = high[i] as number;
        bar.low = low[i] as number;
        bar.close = close[i] as number;
      } else publish(slots, base + closeSlot, close[i] as number);
      for (let step = 0; step < steps.length; step++) (steps[step] as Step)(slots, base, bar);
      if (visit !== undefined) visit(slots[base + answerSlot] as number);
    }
  };
}

function programOf(symbolCount: number, make: (bar: BarSource) => Series) {
  const layout = new SlotLayout();
  const program = new Program({
    layout,
    cursor: { slots: new Float64Array(0), base: 0 },
    calendar: calendarOf('always'),
    intervalCount: 1,
  });
  const source = new BarSource(program, new BarRow(layout, 0), 'bar');
  const answerSlot = make(source).slot;
  const { slotCount } = layout;
  const slots = new Float64Array(slotCount * symbolCount);
  for (let symbol = 0; symbol < symbolCount; symbol++) slots.set(layout.initialValues(), symbol * slotCount);
  return { slots, slotCount, closeSlot: source.close.slot, answerSlot, steps: program.steps[0] ?? [] };
}

const anyBar: ClosedBar = {
  symbol: 'IBM',
  windowStartMs: 0,
  windowEndMs: 60_000,
  open: 1.5,
  high: 1.5,
  low: 1.5,
  close: 1.5,
  volume: 1,
  notional: 1.5,
  tradeCount: 1,
};

function differenceMaxOf({ name, ours, peer }: Contest, candles: Candles, symbolCount: number): number {
  const expected: number[] = [];
  peer(symbolCount)(candles, (answer) => expected.push(answer));
  let differenceMax = 0;
  let compared = 0;
  let i = 0;
  ours(symbolCount)(candles, (answer) => {
    const theirs = expected[i++] as number;
    if (Number.isNaN(answer)) return;
    compared++;
    differenceMax = Math.max(differenceMax, Math.abs(answer - theirs) / Math.max(1, Math.abs(theirs)));
  });
  const warmingUp = 40 * symbolCount;
  if (compared < candles.close.length - warmingUp)
    throw new Error(`${name}: only ${compared} of ${candles.close.length} answers could be compared`);
  return differenceMax;
}

/** Seeded, so that every run has the same prices. */
function randomCandles(count: number): Candles {
  const [high, low, close] = [new Float64Array(count), new Float64Array(count), new Float64Array(count)];
  const random = new Random({ seed: 20_131_007, stream: 0 });
  let price = 100;
  for (let i = 0; i < count; i++) {
    const open = price;
    price = Math.max(1, Math.round(100 * (price + (random.unit() - 0.5) * 0.2)) / 100);
    high[i] = Math.max(open, price) + 0.01;
    low[i] = Math.min(open, price) - 0.01;
    close[i] = price;
  }
  return { high, low, close };
}

function secondsOf(run: Run, candles: Candles): number {
  const startMs = performance.now();
  run(candles);
  return (performance.now() - startMs) / 1_000;
}
