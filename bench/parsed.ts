import { type Answer, keyOf } from './answer.ts';
import { linesOf, type Market } from './market.ts';
import type { Contender } from './race.ts';

export type JsonTrade = { readonly symbol: string; readonly eventTimeMs: number; readonly price: number; readonly size: number };

export const windowSizeMs = 60_000;

/** Puts one trade into its one-minute bar, in the plainest way there is; trades come in order of time. */
export function addParsed(answer: Answer, { symbol, eventTimeMs, price, size }: JsonTrade): void {
  const key = keyOf(symbol, Math.floor(eventTimeMs / windowSizeMs) * windowSizeMs);
  const [open, high, low, , volume, tradeCount] = answer.get(key) ?? [price, price, price, price, 0, 0];
  answer.set(key, [open, Math.max(high, price), Math.min(low, price), price, volume + size, tradeCount + 1]);
}

const linesAtOnce = 100_000;

/**
 * Bare `JSON.parse` of each line, a string in memory. The strings are made as they are needed, outside of its time: all at once they would
 * be millions of objects in the heap, which the garbage collector would go through in the time of whoever's turn it is.
 */
export function parseOf(market: Market, { withIds }: { readonly withIds: boolean }): Contender {
  let lines: string[] = [];
  return {
    name: 'JSON.parse',
    parts: Math.ceil(market.count / linesAtOnce),
    prepare: (part) => {
      const from = part * linesAtOnce;
      lines = linesOf(market, { from, to: Math.min(from + linesAtOnce, market.count), withIds });
    },
    run: () => {
      let last: unknown;
      for (let i = 0; i < lines.length; i++) last = JSON.parse(lines[i] as string);
      return last;
    },
  };
}
