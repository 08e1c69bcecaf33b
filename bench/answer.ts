import type { BarBatch } from '../core/bar.ts';

/** One contender's bars: what must be the same for all. */
export type Answer = Map<string, AnsweredBar>;
export type AnsweredBar = readonly [open: number, high: number, low: number, close: number, volume: number, tradeCount: number];

export function keyOf(symbol: string, windowStartMs: number): string {
  return `${symbol} ${windowStartMs}`;
}

/** Takes bars into an answer; of one window the last one given out stands. */
export function addBars(answer: Answer, bars: BarBatch): void {
  for (const { symbol, windowStartMs, open, high, low, close, volume, tradeCount } of bars) {
    answer.set(keyOf(symbol, windowStartMs), [open ?? NaN, high ?? NaN, low ?? NaN, close ?? NaN, volume, tradeCount]);
  }
}

/** @throws when a bar is missing, or differs; volumes may differ by rounding, for sums are taken in any order. */
export function assertSame(name: string, theirs: Answer, ours: Answer): void {
  if (theirs.size !== ours.size) throw new Error(`${name} gave ${theirs.size} bars, ours are ${ours.size}`);
  let volume = 0;
  let ourVolume = 0;
  for (const [key, bar] of ours) {
    const other = theirs.get(key);
    if (other === undefined) throw new Error(`${name} has no bar ${key}`);
    volume += other[4];
    ourVolume += bar[4];
    const isSame = bar.every((value, i) => (i === 4 ? isClose(value, other[i] as number) : value === other[i]));
    if (!isSame) throw new Error(`${name} has ${other.join(' ')} for ${key}, ours is ${bar.join(' ')}`);
  }
  if (!isClose(volume, ourVolume)) throw new Error(`${name} has a volume of ${volume}, ours is ${ourVolume}`);
}

function isClose(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-12 * Math.max(Math.abs(a), Math.abs(b));
}
