import { grown } from './grown.ts';
import type { LineReason } from './reasons.ts';
import { badLineKinds, bytesOfLine } from './simulation-bad-lines.ts';
import { Prices, unitsPerDollar } from './simulation-prices.ts';
import { Random } from './simulation-random.ts';
import { ActivityDraw, makeTickers, tickersMax } from './simulation-tickers.ts';
import type { EpochMs, TradeBatch } from './trade.ts';

export type SimulationOptions = {
  /** From 1 to 200,000. @default 1500 */
  readonly symbols?: number;
  /** Trades per second over all symbols, above 0 and up to 10,000,000. @default 460 */
  readonly rate?: number;
  /** How much of the market's time passes, above 0; Infinity for a market that does not end. @default 60 */
  readonly seconds?: number;
  /** From 0 to 2^53 - 1. @default 7 */
  readonly seed?: number;
  /** @default 2024-01-02T14:30:00Z, when New York opens on the first trading day of that year */
  readonly startMs?: EpochMs;
  /** Trades arrive in another order than they happened, at most this much apart; up to 60,000. @default 0 */
  readonly outOfOrderMs?: number;
  /** The share of trades, from 0 to 1, that come 3 to 10 minutes after a trade of their symbol that happened later. @default 0 */
  readonly lateShare?: number;
  /** The share of trades, from 0 to 1, that arrive twice, within `outOfOrderMs`. @default 0 */
  readonly duplicates?: number;
  /** How many lines that are no trades come for each trade, from 0 to 1. @default 0 */
  readonly bad?: number;
};

/** A line that is no trade, and the index in the batch of the trade that it comes before. */
export type BadLine = { readonly before: number; readonly bytes: Uint8Array };

export type SimulationOutput = { readonly trades: TradeBatch; readonly bad: BadLine[] };

/** What has been given out so far. `lines = trades + duplicates + bad`; `late` trades are among the `trades`. */
export type SimulationCounts = {
  readonly lines: number;
  readonly trades: number;
  readonly duplicates: number;
  readonly late: number;
  readonly bad: number;
  /** How the bad lines split by the reason that a decoder finds. */
  readonly badByReason: Readonly<Partial<Record<LineReason, number>>>;
  /** Symbols that traded. */
  readonly symbols: number;
  readonly firstEventTimeMs: EpochMs | null;
  readonly lastEventTimeMs: EpochMs | null;
};

export interface Simulation {
  readonly symbols: readonly string[];
  readonly isOver: boolean;
  readonly counts: SimulationCounts;
  /**
   * Appends the next trades, in the order of their arrival, at most `count` and none that arrives after `untilMs` of the market's time.
   * The same trades come however the calls are cut. Returns how many came.
   */
  next(out: SimulationOutput, count: number, untilMs?: EpochMs): number;
}

export const simulationDefaults = {
  symbols: 1500,
  rate: 460,
  seconds: 60,
  seed: 7,
  startMs: Date.UTC(2024, 0, 2, 14, 30),
  outOfOrderMs: 0,
  lateShare: 0,
  duplicates: 0,
  bad: 0,
} as const satisfies Required<SimulationOptions>;

/**
 * A made-up market: the same options give the same trades on every machine. Faults are drawn apart from the market, so that the trades
 * with and without duplicates, bad lines and disorder are the same trades.
 * @throws RangeError on an option out of its range
 */
export function simulateMarket(options: SimulationOptions = {}): Simulation {
  const settings = { ...simulationDefaults, ...options };
  for (const { name, isValid, allowed } of ranges) {
    if (!isValid(settings[name])) throw new RangeError(`${name} must be ${allowed}, received "${settings[name]}"`);
  }
  return new Market(settings);
}

type Range = { readonly name: keyof SimulationOptions; readonly allowed: string; readonly isValid: (value: number) => boolean };

const isWholeWithin = (least: number, most: number) => (value: number) => Number.isInteger(value) && value >= least && value <= most;
const isShare = (value: number) => value >= 0 && value <= 1;
const startMaxMs = 4_000_000_000_000;

const ranges: readonly Range[] = [
  { name: 'symbols', allowed: 'a whole number from 1 to 200,000', isValid: isWholeWithin(1, tickersMax) },
  { name: 'rate', allowed: 'above 0 and at most 10,000,000 trades per second', isValid: (value) => value > 0 && value <= 10_000_000 },
  { name: 'seconds', allowed: 'above 0', isValid: (value) => value > 0 },
  { name: 'seed', allowed: 'a whole number from 0 to 2^53 - 1', isValid: isWholeWithin(0, Number.MAX_SAFE_INTEGER) },
  { name: 'startMs', allowed: 'a time from 1970 to 2096', isValid: isWholeWithin(0, startMaxMs) },
  { name: 'outOfOrderMs', allowed: 'a whole number of ms from 0 to 60,000', isValid: isWholeWithin(0, 60_000) },
  { name: 'lateShare', allowed: 'from 0 to 1', isValid: isShare },
  { name: 'duplicates', allowed: 'from 0 to 1', isValid: isShare },
  { name: 'bad', allowed: 'from 0 to 1', isValid: isShare },
];

const streams = { tickers: 1, activity: 2, times: 3, prices: 4, sizes: 5, arrivals: 6, duplicates: 7, late: 8, bad: 9 };

/** Late by more than a one-minute window, its allowed lateness and the largest disorder together. */
const lateMinMs = 180_000;
const lateMaxMs = 600_000;

const conditionSets: readonly (readonly string[])[] = [[], ['@'], ['@', 'F'], ['@', 'I'], ['@', 'F', 'I'], ['@', '4'], ['@', 'Z']];
const oddLotSets = [3, 3, 4, 0] as const;
const roundLotSets = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 2] as const;
const rareSets = [5, 6] as const;
const roundLots = [100, 100, 100, 100, 100, 100, 200, 200, 300, 400, 500, 1000] as const;
const blockSizes = [2_000, 2_500, 5_000, 10_000, 25_000] as const;

class Market implements Simulation {
  readonly symbols: readonly string[];
  readonly #settings: Required<SimulationOptions>;
  readonly #activity: ActivityDraw;
  readonly #prices: Prices;
  readonly #times: EventTimes;
  readonly #sizes: Random;
  readonly #arrivals: Random;
  readonly #repeats: Random;
  readonly #lateness: Random;
  readonly #badness: Random;
  readonly #queue: ArrivalQueue;
  readonly #numbers = new NumbersInBatch();
  readonly #tradeIds: Float64Array;
  /** The newest event time that has arrived of each symbol; NaN before the first. */
  readonly #newestMs: Float64Array;
  readonly #badByReason: Partial<Record<LineReason, number>> = {};
  readonly #counts = { trades: 0, duplicates: 0, late: 0, bad: 0, symbols: 0 };
  #firstEventTimeMs = Number.POSITIVE_INFINITY;
  #lastEventTimeMs = Number.NEGATIVE_INFINITY;

  constructor(settings: Required<SimulationOptions>) {
    const { symbols, seed, startMs } = settings;
    const random = (stream: number) => new Random({ seed, stream });
    this.#settings = settings;
    this.symbols = makeTickers(random(streams.tickers), symbols);
    this.#activity = new ActivityDraw(random(streams.activity), symbols);
    this.#prices = new Prices(random(streams.prices), symbols, startMs);
    this.#times = new EventTimes(random(streams.times), settings);
    this.#sizes = random(streams.sizes);
    this.#arrivals = random(streams.arrivals);
    this.#repeats = random(streams.duplicates);
    this.#lateness = random(streams.late);
    this.#badness = random(streams.bad);
    this.#queue = new ArrivalQueue(startMs, settings.outOfOrderMs);
    this.#tradeIds = new Float64Array(symbols);
    this.#newestMs = new Float64Array(symbols).fill(Number.NaN);
  }

  get isOver(): boolean {
    return this.#queue.length === 0 && this.#times.nextMs === Number.POSITIVE_INFINITY;
  }

  get counts(): SimulationCounts {
    const { trades, duplicates, late, bad, symbols } = this.#counts;
    const isEmpty = trades === 0;
    return {
      lines: trades + duplicates + bad,
      trades,
      duplicates,
      late,
      bad,
      badByReason: { ...this.#badByReason },
      symbols,
      firstEventTimeMs: isEmpty ? null : this.#firstEventTimeMs,
      lastEventTimeMs: isEmpty ? null : this.#lastEventTimeMs,
    };
  }

  next(out: SimulationOutput, count: number, untilMs: EpochMs = Number.POSITIVE_INFINITY): number {
    const queue = this.#queue;
    const times = this.#times;
    this.#numbers.turnTo(out.trades, this.symbols.length);
    let given = 0;
    while (given < count && queue.nowMs <= untilMs) {
      while (times.nextMs <= queue.nowMs) this.#happen();
      const slot = queue.shift();
      if (slot >= 0) {
        this.#arrive(slot, out);
        given++;
      } else if (queue.length > 0) {
        queue.nowMs++;
      } else if (times.nextMs !== Number.POSITIVE_INFINITY) {
        queue.nowMs = times.nextMs;
      } else break;
    }
    return given;
  }

  /** One trade happens at the venue, and is on its way. */
  #happen(): void {
    const { outOfOrderMs } = this.#settings;
    const eventTimeMs = this.#times.take();
    const ticker = this.#activity.next();
    const units = this.#prices.trade(ticker, eventTimeMs);
    const size = this.#drawSize();
    const conditionSet = this.#drawConditionSet(size);
    const tradeId = (this.#tradeIds[ticker] as number) + 1;
    this.#tradeIds[ticker] = tradeId;
    const delayMs = outOfOrderMs === 0 ? 0 : this.#arrivals.below(outOfOrderMs + 1);
    this.#queue.add(eventTimeMs + delayMs, { ticker, eventTimeMs, units, size, tradeId, conditionSet });
  }

  #arrive(slot: number, out: SimulationOutput): void {
    const { bad, lateShare, duplicates } = this.#settings;
    const queue = this.#queue;
    const ticker = queue.ticker[slot] as number;
    if (bad > 0 && this.#badness.unit() < bad) this.#putBadLine(slot, out);
    if (queue.isRepeat[slot] === 1) {
      this.#counts.duplicates++;
    } else {
      this.#counts.trades++;
      if (lateShare > 0 && this.#lateness.unit() < lateShare && !Number.isNaN(this.#newestMs[ticker])) this.#makeLate(slot);
      else this.#noteNewest(slot);
    }
    this.#put(slot, out.trades);
    const isRepeated = duplicates > 0 && queue.isRepeat[slot] === 0 && queue.isLate[slot] === 0 && this.#repeats.unit() < duplicates;
    if (isRepeated) this.#repeatLater(slot);
    else queue.free(slot);
  }

  #makeLate(slot: number): void {
    const newestMs = this.#newestMs[this.#queue.ticker[slot] as number] as number;
    this.#queue.eventTimeMs[slot] = newestMs - lateMinMs - this.#lateness.below(lateMaxMs - lateMinMs + 1);
    this.#queue.isLate[slot] = 1;
    this.#counts.late++;
  }

  #noteNewest(slot: number): void {
    const ticker = this.#queue.ticker[slot] as number;
    const eventTimeMs = this.#queue.eventTimeMs[slot] as number;
    const newestMs = this.#newestMs[ticker] as number;
    if (Number.isNaN(newestMs)) this.#counts.symbols++;
    if (!(newestMs >= eventTimeMs)) this.#newestMs[ticker] = eventTimeMs;
  }

  #put(slot: number, trades: TradeBatch): void {
    const queue = this.#queue;
    const ticker = queue.ticker[slot] as number;
    const eventTimeMs = queue.eventTimeMs[slot] as number;
    const symbolNumber = this.#numbers.ofTicker(ticker, this.symbols);
    const conditionSetNumber = this.#numbers.conditionSets[queue.conditionSet[slot] as number] as number;
    trades.add(
      symbolNumber,
      eventTimeMs,
      (queue.units[slot] as number) / unitsPerDollar,
      queue.size[slot] as number,
      queue.tradeId[slot],
      '',
      conditionSetNumber,
    );
    if (eventTimeMs < this.#firstEventTimeMs) this.#firstEventTimeMs = eventTimeMs;
    if (eventTimeMs > this.#lastEventTimeMs) this.#lastEventTimeMs = eventTimeMs;
  }

  /** The same trade again, before the disorder that is allowed is used up. */
  #repeatLater(slot: number): void {
    const queue = this.#queue;
    const latestMs = (queue.eventTimeMs[slot] as number) + this.#settings.outOfOrderMs;
    queue.isRepeat[slot] = 1;
    queue.put(slot, queue.nowMs + this.#repeats.below(latestMs - queue.nowMs + 1));
  }

  #putBadLine(slot: number, out: SimulationOutput): void {
    const queue = this.#queue;
    const kind = badLineKinds[this.#counts.bad++ % badLineKinds.length] as (typeof badLineKinds)[number];
    const line = kind.make({
      symbol: `"${this.symbols[queue.ticker[slot] as number]}"`,
      eventTimeMs: String(queue.eventTimeMs[slot]),
      price: String((queue.units[slot] as number) / unitsPerDollar),
      size: String(queue.size[slot]),
    });
    this.#badByReason[kind.reason] = (this.#badByReason[kind.reason] ?? 0) + 1;
    out.bad.push({ before: out.trades.length, bytes: bytesOfLine(line) });
  }

  /** Two of three trades are round lots, one of a thousand is a block, the rest are odd lots. */
  #drawSize(): number {
    const sizes = this.#sizes;
    const kind = sizes.below(1000);
    if (kind === 0) return sizes.pick(blockSizes);
    return kind < 667 ? sizes.pick(roundLots) : 1 + sizes.below(99);
  }

  #drawConditionSet(size: number): number {
    const sizes = this.#sizes;
    if (sizes.below(1000) === 0) return sizes.pick(rareSets);
    return sizes.pick(size < 100 ? oddLotSets : roundLotSets);
  }
}

/**
 * When trades happen: exactly `rate` in each whole second, and within a second as by chance alone. The waiting times of a second are
 * drawn and then scaled to fill it, which is how a Poisson process of known count is spread.
 */
class EventTimes {
  nextMs: number = Number.POSITIVE_INFINITY;
  readonly #random: Random;
  readonly #ratePerMs: number;
  readonly #startMs: number;
  readonly #endMs: number;
  #secondEndMs: number;
  #pending = new Float64Array(16);
  #pendingCount = 0;
  #pendingAt = 0;

  constructor(random: Random, { rate, seconds, startMs }: Required<SimulationOptions>) {
    this.#random = random;
    this.#ratePerMs = rate / 1000;
    this.#startMs = startMs;
    this.#endMs = startMs + Math.max(1, Math.round(seconds * 1000));
    this.#secondEndMs = startMs;
    this.#advance();
  }

  take(): number {
    const { nextMs } = this;
    this.#advance();
    return nextMs;
  }

  #advance(): void {
    while (this.#pendingAt === this.#pendingCount && this.#secondEndMs < this.#endMs) this.#spreadSecond();
    this.nextMs = this.#pendingAt < this.#pendingCount ? (this.#pending[this.#pendingAt++] as number) : Number.POSITIVE_INFINITY;
  }

  #spreadSecond(): void {
    const fromMs = this.#secondEndMs;
    const toMs = Math.min(fromMs + 1000, this.#endMs);
    const count = this.#countUntil(toMs) - this.#countUntil(fromMs);
    this.#secondEndMs = toMs;
    this.#pendingAt = 0;
    this.#pendingCount = count;
    if (this.#pending.length < count) this.#pending = new Float64Array(count * 2);
    let waited = 0;
    for (let i = 0; i < count; i++) {
      waited += this.#random.exponential();
      this.#pending[i] = waited;
    }
    const msPerWait = (toMs - fromMs) / (waited + this.#random.exponential());
    for (let i = 0; i < count; i++) this.#pending[i] = fromMs + Math.floor((this.#pending[i] as number) * msPerWait);
  }

  #countUntil(timeMs: number): number {
    return Math.round((timeMs - this.#startMs) * this.#ratePerMs);
  }
}

type TradeOnTheWay = {
  readonly ticker: number;
  readonly eventTimeMs: number;
  readonly units: number;
  readonly size: number;
  readonly tradeId: number;
  readonly conditionSet: number;
};

/** Trades on their way, by the millisecond of their arrival: a ring of lists over columns, first in, first out within one millisecond. */
class ArrivalQueue {
  /** No trade on its way arrives before this time. */
  nowMs: number;
  length = 0;
  ticker = new Uint32Array(64);
  eventTimeMs = new Float64Array(64);
  units = new Float64Array(64);
  size = new Float64Array(64);
  tradeId = new Float64Array(64);
  conditionSet = new Uint8Array(64);
  isRepeat = new Uint8Array(64);
  isLate = new Uint8Array(64);
  #following = new Int32Array(64);
  #firstFree = -1;
  #used = 0;
  readonly #first: Int32Array;
  readonly #last: Int32Array;

  constructor(startMs: number, aheadMaxMs: number) {
    this.nowMs = startMs;
    this.#first = new Int32Array(aheadMaxMs + 1).fill(-1);
    this.#last = new Int32Array(aheadMaxMs + 1).fill(-1);
  }

  add(arrivalMs: number, trade: TradeOnTheWay): void {
    const slot = this.#takeSlot();
    this.ticker[slot] = trade.ticker;
    this.eventTimeMs[slot] = trade.eventTimeMs;
    this.units[slot] = trade.units;
    this.size[slot] = trade.size;
    this.tradeId[slot] = trade.tradeId;
    this.conditionSet[slot] = trade.conditionSet;
    this.isRepeat[slot] = 0;
    this.isLate[slot] = 0;
    this.put(slot, arrivalMs);
  }

  put(slot: number, arrivalMs: number): void {
    const at = arrivalMs % this.#first.length;
    this.#following[slot] = -1;
    if (this.#first[at] === -1) this.#first[at] = slot;
    else this.#following[this.#last[at] as number] = slot;
    this.#last[at] = slot;
    this.length++;
  }

  /** Takes the next trade that arrives now; -1 when there is none. Its slot stays taken until it is freed. */
  shift(): number {
    const at = this.nowMs % this.#first.length;
    const slot = this.#first[at] as number;
    if (slot === -1) return -1;
    this.#first[at] = this.#following[slot] as number;
    this.length--;
    return slot;
  }

  free(slot: number): void {
    this.#following[slot] = this.#firstFree;
    this.#firstFree = slot;
  }

  #takeSlot(): number {
    const slot = this.#firstFree;
    if (slot !== -1) {
      this.#firstFree = this.#following[slot] as number;
      return slot;
    }
    if (this.#used === this.ticker.length) this.#grow();
    return this.#used++;
  }

  #grow(): void {
    const capacity = this.ticker.length * 2;
    this.ticker = grown(new Uint32Array(capacity), this.ticker);
    this.eventTimeMs = grown(new Float64Array(capacity), this.eventTimeMs);
    this.units = grown(new Float64Array(capacity), this.units);
    this.size = grown(new Float64Array(capacity), this.size);
    this.tradeId = grown(new Float64Array(capacity), this.tradeId);
    this.conditionSet = grown(new Uint8Array(capacity), this.conditionSet);
    this.isRepeat = grown(new Uint8Array(capacity), this.isRepeat);
    this.isLate = grown(new Uint8Array(capacity), this.isLate);
    this.#following = grown(new Int32Array(capacity), this.#following);
  }
}

/** The numbers that the batch being filled has given to our symbols and condition sets. */
class NumbersInBatch {
  conditionSets: readonly number[] = [];
  #batch: TradeBatch | undefined;
  #tickers = new Int32Array(0);

  turnTo(batch: TradeBatch, tickerCount: number): void {
    if (batch === this.#batch) return;
    this.#batch = batch;
    this.#tickers = new Int32Array(tickerCount).fill(-1);
    this.conditionSets = conditionSets.map((conditions) => batch.numberOfConditionSet(conditions));
  }

  ofTicker(ticker: number, symbols: readonly string[]): number {
    const known = this.#tickers[ticker] as number;
    if (known >= 0) return known;
    const number = (this.#batch as TradeBatch).numberOfSymbol(symbols[ticker] as string);
    this.#tickers[ticker] = number;
    return number;
  }
}
