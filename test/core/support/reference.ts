import type { PipelineOptions } from '../../../core/pipeline.ts';
import type { Trade } from '../../../core/trade.ts';

/**
 * The fold once more, slow and obvious, from the rules alone: every trade is kept, every window is looked at again each time. It shares
 * nothing with the core but the shape of a trade. It takes the trades in the order of the feed and says what stands at the end of the input.
 */
export type ReferenceBar = {
  symbol: string;
  windowStartMs: number;
  windowEndMs: number;
  open: number | null;
  high: number | null;
  low: number | null;
  close: number | null;
  volume: number;
  tradeCount: number;
  vwap: number | null;
  rev: number;
};

export type ReferenceResult = {
  bars: ReferenceBar[];
  late: {
    symbol: string;
    eventTimeMs: number;
    price: number;
    size: number;
    windowStartMs: number;
    windowEndMs: number;
    lateByMs: number;
  }[];
  duplicates: number;
  accepted: number;
  tooFarAhead: number;
};

type Interval = { readonly sizeMs: number; readonly windows: Window[] /** Windows that end by then are closed. */; closedMs: number };
type Window = { symbol: string; startMs: number; endMs: number; trades: Trade[]; bar: ReferenceBar | undefined };

/** A symbol is carried for a day after its last trade. */
const carryMaxMs = 86_400_000;

/** @param ends before how many of the trades an input ends; always at the last one too */
export function referenceFold(
  trades: readonly Trade[],
  options: PipelineOptions,
  arrivalTimeMs: number,
  ends: readonly number[] = [],
): ReferenceResult {
  const result: ReferenceResult = { bars: [], late: [], duplicates: 0, accepted: 0, tooFarAhead: 0 };
  const intervals = options.windowSizesMs.map((sizeMs): Interval => ({ sizeMs, windows: [], closedMs: Number.NEGATIVE_INFINITY }));
  const known = new Set<string>();
  const startOf = (timeMs: number, sizeMs: number) =>
    Math.floor((timeMs - options.windowOffsetMs) / sizeMs) * sizeMs + options.windowOffsetMs;
  let watermarkMs = Number.NEGATIVE_INFINITY;
  let greatestMs = Number.NEGATIVE_INFINITY;

  const windowOf = (windows: Window[], symbol: string, startMs: number, sizeMs: number) => {
    const found = windows.find((window) => window.symbol === symbol && window.startMs === startMs);
    if (found !== undefined) return found;
    const window: Window = { symbol, startMs, endMs: startMs + sizeMs, trades: [], bar: undefined };
    windows.push(window);
    return window;
  };
  const closeThrough = (interval: Interval, toMs: number) => {
    const { sizeMs, windows, closedMs } = interval;
    if (toMs <= closedMs) return;
    interval.closedMs = toMs;
    const firstOpenMs = Math.min(...windows.filter(({ endMs }) => endMs > closedMs).map(({ startMs }) => startMs));
    const fromMs = closedMs === Number.NEGATIVE_INFINITY ? firstOpenMs : startOf(closedMs, sizeMs);
    if (fromMs === Number.POSITIVE_INFINITY) return;
    for (let startMs = fromMs; startMs + sizeMs <= toMs; startMs += sizeMs) {
      for (const window of windows.filter((one) => one.startMs === startMs)) window.bar = barOf(window, 0, options);
      if (options.emptyWindows === 'carry') carryInto(windows, startMs, sizeMs);
    }
  };
  const advanceWatermark = (toMs: number) => {
    watermarkMs = Math.max(watermarkMs, toMs);
    for (const interval of intervals) closeThrough(interval, watermarkMs);
  };
  /** Each interval closes the window of the last event; the watermark goes no further than the first of these ends. */
  const end = () => {
    if (greatestMs === Number.NEGATIVE_INFINITY) return;
    const endsMs = intervals.map(({ sizeMs }) => startOf(greatestMs, sizeMs) + sizeMs);
    for (const [i, interval] of intervals.entries()) closeThrough(interval, endsMs[i] as number);
    advanceWatermark(Math.min(...endsMs));
  };
  /** A bar of the last close for each symbol that has one and no trade here. */
  const carryInto = (windows: Window[], startMs: number, sizeMs: number) => {
    for (const symbol of new Set(windows.map((window) => window.symbol))) {
      if (windows.some((window) => window.symbol === symbol && window.startMs === startMs)) continue;
      const priced = windows.filter(
        (window) => window.symbol === symbol && window.trades.length > 0 && typeof window.bar?.close === 'number',
      );
      const last = priced.reduce<Window | undefined>(
        (latest, window) => (latest && latest.startMs > window.startMs ? latest : window),
        undefined,
      );
      const close = last?.bar?.close;
      if (typeof close !== 'number' || startMs >= (last as Window).endMs + carryMaxMs) continue;
      const window = windowOf(windows, symbol, startMs, sizeMs);
      const prices = { open: close, high: close, low: close, close, vwap: close };
      window.bar = { symbol, windowStartMs: startMs, windowEndMs: startMs + sizeMs, ...prices, volume: 0, tradeCount: 0, rev: 0 };
    }
  };

  for (const [i, trade] of trades.entries()) {
    if (ends.includes(i)) end();
    const { symbol, eventTimeMs, price, size, tradeId, conditions = [] } = trade;
    if (eventTimeMs > arrivalTimeMs + options.aheadMaxMs) {
      result.tooFarAhead++;
      continue;
    }
    greatestMs = Math.max(greatestMs, eventTimeMs);
    advanceWatermark(greatestMs - options.outOfOrdernessMs);
    if (!allows(conditions, options.conditions, 'volume')) continue;
    result.accepted++;
    const goneMs = Math.max(...intervals.map(({ sizeMs }) => startOf(eventTimeMs, sizeMs) + sizeMs)) + options.allowedLatenessMs;
    if (tradeId !== undefined && goneMs > watermarkMs) {
      const key = `${symbol} ${tradeId} ${goneMs}`;
      if (known.has(key)) {
        result.duplicates++;
        continue;
      }
      known.add(key);
    }
    for (const { sizeMs, windows, closedMs } of intervals) {
      const startMs = startOf(eventTimeMs, sizeMs);
      if (watermarkMs >= startMs + sizeMs + options.allowedLatenessMs) {
        const window = { windowStartMs: startMs, windowEndMs: startMs + sizeMs };
        result.late.push({ symbol, eventTimeMs, price, size, ...window, lateByMs: watermarkMs - startMs - sizeMs });
        continue;
      }
      const window = windowOf(windows, symbol, startMs, sizeMs);
      window.trades.push(trade);
      if (closedMs >= startMs + sizeMs) window.bar = barOf(window, (window.bar?.rev ?? -1) + 1, options);
    }
  }
  end();
  result.bars = intervals.flatMap(({ windows }) => windows.flatMap(({ bar }) => bar ?? []));
  return result;
}

/** The bar of all trades of a window; they are in the order of the log. */
function barOf({ symbol, startMs, endMs, trades }: Window, rev: number, { conditions }: PipelineOptions): ReferenceBar {
  const touching = (field: Field) => trades.filter((trade) => allows(trade.conditions ?? [], conditions, field));
  const last = touching('last').toSorted((a, b) => a.eventTimeMs - b.eventTimeMs);
  const prices = touching('high-low').map(({ price }) => price);
  const volume = decimal(
    touching('volume').map(({ size }) => hundredths(size)),
    2,
  );
  const notional = decimal(
    touching('volume').map(({ price, size }) => hundredths(price) * hundredths(size)),
    4,
  );
  return {
    symbol,
    windowStartMs: startMs,
    windowEndMs: endMs,
    open: last[0]?.price ?? null,
    high: prices.length > 0 ? Math.max(...prices) : null,
    low: prices.length > 0 ? Math.min(...prices) : null,
    close: last.at(-1)?.price ?? null,
    volume,
    tradeCount: trades.length,
    vwap: notional / volume,
    rev,
  };
}

function hundredths(amount: number): bigint {
  return BigInt(amount.toFixed(2).replace('.', ''));
}

/** The number nearest to the exact sum. */
function decimal(units: readonly bigint[], places: number): number {
  const digits = units
    .reduce((sum, unit) => sum + unit, 0n)
    .toString()
    .padStart(places + 1, '0');
  return Number(`${digits.slice(0, -places)}.${digits.slice(-places)}`);
}

type Field = 'high-low' | 'last' | 'volume';

/** The table of the consolidated tapes as it is written in the docs: what a condition does not let a trade touch. */
function allows(conditions: readonly string[], profile: PipelineOptions['conditions'], field: Field): boolean {
  if (profile === 'all') return true;
  const effective = conditions.filter((code) => !(profile === 'sip+extended' && code === 'T'));
  const forbidden = { 'high-low': 'ITUWBCNRV7HMQ9', last: 'ITUWBCNRV7HZP4GMQ9', volume: 'MQ9' }[field];
  return !effective.some((code) => code.length === 1 && forbidden.includes(code));
}
