import type { FeedDecoder, FeedFormat, RejectedLine } from '../../../adapters/feeds/feed.ts';
import type { Trade } from '../../../core/trade.ts';
import { conflatedFlag, TradeBatch } from '../../../core/trade.ts';

export type Reading = {
  readonly trades: readonly Trade[];
  readonly isConflated: readonly boolean[];
  readonly rejected: readonly RejectedLine[];
  readonly counts: Readonly<Record<string, number>>;
};

/** What a format reads from bytes, cut where `cuts` says; `resumeAt` makes a new decoder from a snapshot before that chunk. */
export function read(format: FeedFormat, bytes: Uint8Array | string, cuts: readonly number[] = [], resumeAt?: number): Reading {
  const input = typeof bytes === 'string' ? bytesOf(bytes) : bytes;
  const out = { trades: new TradeBatch(2), rejected: [] };
  let decoder: FeedDecoder = format.decoder();
  for (const [i, chunk] of cut(input, cuts).entries()) {
    if (i === resumeAt) {
      const snapshot = decoder.snapshot();
      decoder = format.decoder({ ...snapshot });
      decoder.push(input.slice(snapshot.byteOffset, chunk.byteOffset - input.byteOffset), out);
    }
    // A decoder may keep no reference to what it was given.
    const given = new Uint8Array(chunk);
    decoder.push(given, out);
    given.fill(0);
  }
  decoder.end(out);
  const { trades, isConflated } = tradesOf(out.trades);
  return { trades, isConflated, rejected: out.rejected, counts: { ...decoder.counts } };
}

export function tradesOf(batch: TradeBatch): { readonly trades: Trade[]; readonly isConflated: boolean[] } {
  const trades = Array.from({ length: batch.length }, (_, i) => tradeAt(batch, i));
  return { trades, isConflated: trades.map((_, i) => ((batch.flags[i] as number) & conflatedFlag) !== 0) };
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function joined(...parts: readonly (Uint8Array | string)[]): Uint8Array {
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? bytesOf(part) : part)));
}

function tradeAt(batch: TradeBatch, i: number): Trade {
  const number = batch.tradeIdNumber[i] as number;
  const tradeId = Number.isNaN(number) ? batch.tradeIdText[i] : String(number);
  const conditions = batch.conditionSets[batch.conditionSetNumber[i] as number] as readonly string[];
  return {
    symbol: batch.symbols[batch.symbolNumber[i] as number] as string,
    eventTimeMs: batch.eventTimeMs[i] as number,
    price: batch.price[i] as number,
    size: batch.size[i] as number,
    ...(tradeId && { tradeId }),
    ...(conditions.length > 0 && { conditions }),
  };
}

function cut(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [0, ...cuts.map((place) => Math.min(place, bytes.length)).toSorted((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}
