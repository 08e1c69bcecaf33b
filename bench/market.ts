import { encodePacked } from '../adapters/frames/packed.ts';
import { Framer } from '../core/framer.ts';
import { simulateMarket } from '../core/simulation.ts';
import { Random } from '../core/simulation-random.ts';
import { TradeBatch } from '../core/trade.ts';

/** Trades in the order of their arrival, as columns. */
export type Market = {
  readonly count: number;
  readonly symbols: readonly string[];
  readonly symbolNumber: Uint32Array;
  readonly eventTimeMs: Float64Array;
  readonly price: Float64Array;
  readonly size: Float64Array;
  readonly tradeId: Float64Array;
};

/** One record of the tape. */
export type PackedRecord = { readonly bucket: number; readonly data: Uint8Array };

/** Later than every event time: no trade of a bench is too far ahead. */
export const arrivalTimeMs = 8_000_000_000_000_000;

const tradesAtOnce = 65_536;

/** The simulated market without faults; by default at the rate that 1,500 symbols have, however many there are. */
export function makeMarket({ tradeCount, symbolCount = 1_500 }: { readonly tradeCount: number; readonly symbolCount?: number }): Market {
  const simulation = simulateMarket({ symbols: symbolCount, rate: (460 * symbolCount) / 1_500, seconds: Number.POSITIVE_INFINITY });
  const market = emptyMarket(tradeCount, simulation.symbols);
  const numbers = new Map(simulation.symbols.map((symbol, number) => [symbol, number]));
  const trades = new TradeBatch(tradesAtOnce);
  for (let at = 0; at < tradeCount; ) {
    simulation.next({ trades, bad: [] }, Math.min(tradesAtOnce, tradeCount - at));
    for (let i = 0; i < trades.length; i++, at++) {
      market.symbolNumber[at] = numbers.get(trades.symbols[trades.symbolNumber[i] as number] as string) as number;
      market.eventTimeMs[at] = trades.eventTimeMs[i] as number;
      market.price[at] = trades.price[i] as number;
      market.size[at] = trades.size[i] as number;
      market.tradeId[at] = trades.tradeIdNumber[i] as number;
    }
    trades.clear();
  }
  return market;
}

/** The same trades, a share of them held up on their way: they arrive behind trades that happened up to so much later. */
export function heldUp(market: Market, { share, upToMs }: { readonly share: number; readonly upToMs: number }): Market {
  const random = new Random({ seed: 20_131_007, stream: 0 });
  const arrivals = market.eventTimeMs.map((eventTimeMs) => eventTimeMs + (random.unit() < share ? random.unit() * upToMs : 0));
  const order = Uint32Array.from(arrivals, (_, i) => i).sort((a, b) => (arrivals[a] as number) - (arrivals[b] as number) || a - b);
  const late = emptyMarket(market.count, market.symbols);
  for (const column of ['symbolNumber', 'eventTimeMs', 'price', 'size', 'tradeId'] as const) {
    for (let i = 0; i < market.count; i++) late[column][i] = market[column][order[i] as number] as number;
  }
  return late;
}

/** What our own feed writes to the tape. */
export function framesOf(
  market: Market,
  { bucketCount = 16, withIds = false }: { readonly bucketCount?: number; readonly withIds?: boolean } = {},
): PackedRecord[] {
  const records: PackedRecord[] = [];
  const framer = new Framer({
    bucketCount,
    producerId: 'bench',
    aheadMaxMs: 0,
    outOfOrdernessMs: 2_000,
    emit: (frame) => records.push({ bucket: frame.bucket, data: encodePacked(frame) }),
  });
  const trades = new TradeBatch(tradesAtOnce);
  for (let at = 0; at < market.count; at += tradesAtOnce) {
    fillBatch(trades, market, { from: at, to: Math.min(at + tradesAtOnce, market.count), withIds });
    framer.add(trades, arrivalTimeMs);
  }
  framer.end();
  return records;
}

/** Puts the trades from `from` to `to`, its end excluded, in place of what is in the batch. */
export function fillBatch(
  trades: TradeBatch,
  market: Market,
  { from, to, withIds }: { readonly from: number; readonly to: number; readonly withIds: boolean },
): void {
  trades.clear();
  for (let i = from; i < to; i++) {
    trades.add(
      trades.numberOfSymbol(market.symbols[market.symbolNumber[i] as number] as string),
      market.eventTimeMs[i] as number,
      market.price[i] as number,
      market.size[i] as number,
      withIds ? (market.tradeId[i] as number) : Number.NaN,
    );
  }
}

/** The trade as one line of NDJSON, without the line feed. */
export function lineOf(market: Market, i: number, { withIds }: { readonly withIds: boolean }): string {
  const { symbols, symbolNumber, eventTimeMs, price, size, tradeId } = market;
  const fields = `"symbol":"${symbols[symbolNumber[i] as number]}","eventTimeMs":${eventTimeMs[i]},"price":${price[i]},"size":${size[i]}`;
  return withIds ? `{${fields},"tradeId":"${tradeId[i]}"}` : `{${fields}}`;
}

export function linesOf(
  market: Market,
  { from, to, withIds }: { readonly from: number; readonly to: number; readonly withIds: boolean },
): string[] {
  // Through bytes: a string that was put together is a tree of its parts until somebody reads it.
  return Array.from({ length: to - from }, (_, i) => Buffer.from(lineOf(market, from + i, { withIds })).toString('latin1'));
}

function emptyMarket(count: number, symbols: readonly string[]): Market {
  return {
    count,
    symbols,
    symbolNumber: new Uint32Array(count),
    eventTimeMs: new Float64Array(count),
    price: new Float64Array(count),
    size: new Float64Array(count),
    tradeId: new Float64Array(count),
  };
}
