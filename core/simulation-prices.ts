import type { Random } from './simulation-random.ts';

/** Prices are whole numbers of this part of a dollar, so that each is a decimal with at most four digits after the point. */
export const unitsPerDollar = 10_000;

const startDollars = [0.6, 3, 8, 15, 25, 40, 60, 90, 140, 220, 380, 700];
const regimeMeanMs = 240_000;
const idleMaxSec = 600;

/**
 * One price for each ticker, wandering with time and not with the number of trades. Each price swings about an anchor, and the anchor
 * rests, rises or falls for some minutes and at times jumps: averages cross, oscillators reach their ends, and channels break.
 */
export class Prices {
  readonly #random: Random;
  readonly #startUnits: Float64Array;
  readonly #anchorUnits: Float64Array;
  readonly #midUnits: Float64Array;
  readonly #volatility: Float64Array;
  readonly #driftPerSec: Float64Array;
  readonly #regimeEndMs: Float64Array;
  readonly #lastMs: Float64Array;

  constructor(random: Random, count: number, startMs: number) {
    this.#random = random;
    this.#startUnits = Float64Array.from({ length: count }, () => random.pick(startDollars) * (0.75 + random.unit() / 2) * unitsPerDollar);
    this.#anchorUnits = this.#startUnits.slice();
    this.#midUnits = this.#startUnits.slice();
    this.#volatility = Float64Array.from({ length: count }, () => 0.0001 + random.unit() * 0.0003);
    this.#driftPerSec = new Float64Array(count);
    this.#regimeEndMs = new Float64Array(count).fill(startMs);
    this.#lastMs = new Float64Array(count).fill(startMs);
  }

  /** The price of a trade at this time, in units: below the middle for a seller, above it for a buyer, always a whole tick. */
  trade(ticker: number, timeMs: number): number {
    if (timeMs >= (this.#regimeEndMs[ticker] as number)) this.#changeRegime(ticker, timeMs);
    this.#wander(ticker, timeMs);
    const midUnits = this.#midUnits[ticker] as number;
    const tickUnits = midUnits < unitsPerDollar ? 1 : 100;
    const half = this.#random.uint32() & 1 ? 0.75 : 0.25;
    return Math.max(1, Math.floor(midUnits / tickUnits + half)) * tickUnits;
  }

  #wander(ticker: number, timeMs: number): void {
    const elapsedSec = Math.min(idleMaxSec, (timeMs - (this.#lastMs[ticker] as number)) / 1000);
    this.#lastMs[ticker] = timeMs;
    const anchorUnits = (this.#anchorUnits[ticker] as number) * (1 + (this.#driftPerSec[ticker] as number) * elapsedSec);
    this.#anchorUnits[ticker] = anchorUnits;
    const midUnits = this.#midUnits[ticker] as number;
    const step = midUnits * (this.#volatility[ticker] as number) * Math.sqrt(elapsedSec) * this.#random.noise();
    const pull = (anchorUnits - midUnits) * Math.min(0.9, elapsedSec / 120);
    this.#midUnits[ticker] = Math.max(anchorUnits / 2, midUnits + step + pull);
  }

  #changeRegime(ticker: number, timeMs: number): void {
    const random = this.#random;
    const startUnits = this.#startUnits[ticker] as number;
    const anchorUnits = this.#anchorUnits[ticker] as number;
    const direction = anchorUnits > startUnits * 3 ? -1 : anchorUnits < startUnits / 3 ? 1 : random.below(3) - 1;
    this.#driftPerSec[ticker] = direction * (0.000_005 + random.unit() * 0.000_02);
    if (random.below(8) === 0) this.#anchorUnits[ticker] = anchorUnits * (1 + random.noise() * 0.003);
    this.#regimeEndMs[ticker] = timeMs + 1 + random.exponential() * regimeMeanMs;
  }
}
