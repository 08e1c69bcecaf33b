import { type Answer, keyOf } from './answer.ts';
import type { Contender } from './race.ts';

export type JsonTrade = { readonly symbol: string; readonly eventTimeMs: number; readonly price: number; readonly size: number };

export const windowSizeMs = 60_000;

/** Puts one trade into its one-minute bar, in the plainest way there is; trades come in order of time. */
export function addParsed(answer: Answer, { symbol, eventTimeMs, price, size }: JsonTrade): void {
  const key = keyOf(symbol, Math.floor(eventTimeMs / windowSizeMs) * windowSizeMs);
  const [open, high, low, , volume, tradeCount] = answer.get(key) ?? [price, price, price, price, 0, 0];
  answer.set(key, [open, Math.max(high, price), Math.min(low, price), price, volume + size, tradeCount + 1]);
}

/** Bare `JSON.parse` of each line. The lines are made before each turn and let go after it: to have them in memory is not for the others to pay. */
export function parseOf(makeLines: () => string[]): Contender {
  let lines: string[] = [];
  return {
    name: 'JSON.parse',
    prepare: () => {
      lines = makeLines();
    },
    run: () => {
      let last: unknown;
      for (let i = 0; i < lines.length; i++) last = JSON.parse(lines[i] as string);
      lines = [];
      return last;
    },
  };
}
