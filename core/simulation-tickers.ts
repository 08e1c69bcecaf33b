import type { Random } from './simulation-random.ts';

export const tickersMax = 200_000;

const starts = 'AAABBBCCCCDDEEFFGGHHIIJKLLMMMNNOPPPQRRRSSSSTTTTUVVWWXYZ';
const letters = 'AAAAABBCCCDDEEEEEFGGHIIIIJKLLLMMMNNNNOOOOPPQRRRRSSSSTTTTUUVWXXYZ';
/** How many letters, from the most to the least traded; a length that is used up falls through to the next. */
const lengths = [1, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4];

/** Made-up ticker symbols of one to five letters, no two equal, the short ones first. */
export function makeTickers(random: Random, count: number): string[] {
  const tickers = new Set<string>();
  while (tickers.size < count) tickers.add(makeTicker(random, lengthAt(tickers.size, random)));
  return [...tickers];
}

function lengthAt(rank: number, random: Random): number {
  if (rank < 100) return random.pick(lengths);
  return rank < 4_000 ? 3 + random.below(2) : 4 + random.below(2);
}

function makeTicker(random: Random, length: number): string {
  let ticker = starts.charAt(random.below(starts.length));
  while (ticker.length < length) ticker += letters.charAt(random.below(letters.length));
  return ticker;
}

/**
 * Draws ranks with chances that fall like 1 / (rank + 12), as trading does over tickers: the first of 1,500 has 1.7 % of the trades. One
 * draw costs the same for any number of ranks.
 * @see https://en.wikipedia.org/wiki/Alias_method
 */
export class ActivityDraw {
  readonly #random: Random;
  readonly #threshold: Float64Array;
  readonly #alias: Uint32Array;

  constructor(random: Random, count: number) {
    this.#random = random;
    this.#threshold = activityOf(count);
    this.#alias = new Uint32Array(count);
    const small: number[] = [];
    const large: number[] = [];
    for (const [rank, share] of this.#threshold.entries()) (share < 1 ? small : large).push(rank);
    while (small.length > 0 && large.length > 0) {
      const poor = small.pop() as number;
      const rich = large.at(-1) as number;
      this.#alias[poor] = rich;
      const left = (this.#threshold[rich] as number) + (this.#threshold[poor] as number) - 1;
      this.#threshold[rich] = left;
      if (left < 1) small.push(large.pop() as number);
    }
    for (const rank of [...small, ...large]) this.#threshold[rank] = 1;
  }

  next(): number {
    const rank = this.#random.below(this.#threshold.length);
    return this.#random.unit() < (this.#threshold[rank] as number) ? rank : (this.#alias[rank] as number);
  }
}

/** The share of each rank, in parts of the even share. */
function activityOf(count: number): Float64Array {
  const weights = Float64Array.from({ length: count }, (_, rank) => 1 / (rank + 12));
  let total = 0;
  for (const weight of weights) total += weight;
  return weights.map((weight) => (weight / total) * count);
}
