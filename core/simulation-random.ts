const uint32Count = 4_294_967_296;

/**
 * Chance that is the same on every machine: sfc32, whole numbers of 32 bits only. One seed has many streams, which do not follow from
 * one another: drawing more from one changes nothing in another.
 * @see https://pracrand.sourceforge.net/RNG_engines.txt
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor({ seed, stream }: { readonly seed: number; readonly stream: number }) {
    this.#a = seed | 0;
    this.#b = Math.floor(seed / uint32Count) | 0;
    this.#c = stream | 0;
    for (let round = 0; round < 15; round++) this.uint32();
  }

  uint32(): number {
    const value = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + value) | 0;
    return value >>> 0;
  }

  /** From 0 to just below 1. */
  unit(): number {
    return this.uint32() / uint32Count;
  }

  /** A whole number from 0 to just below `count`. */
  below(count: number): number {
    return Math.floor(this.unit() * count);
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  /** Mean 0, variance 1, never beyond 2.45: the sum of two even draws. */
  noise(): number {
    return (this.unit() + this.unit() - 1) * rootOfSix;
  }

  /** A waiting time of mean 1. */
  exponential(): number {
    return exponentialQuantiles[this.uint32() >>> 20] as number;
  }
}

const rootOfSix = Math.sqrt(6);

const exponentialQuantiles = Float64Array.from({ length: 4096 }, (_, index) => -naturalLogOfFraction(1 - (index + 0.5) / 4096));

/**
 * The natural logarithm of a number in (0, 1], by sums and quotients alone: these are rounded exactly everywhere, which `Math.log` is not.
 * @see https://tc39.es/ecma262/#sec-math.log "implementation-approximated"
 */
export function naturalLogOfFraction(fraction: number): number {
  let halvings = 0;
  let mantissa = fraction;
  for (; mantissa < 0.5; halvings++) mantissa *= 2;
  return twiceAreaTangent((mantissa - 1) / (mantissa + 1)) - halvings * twiceAreaTangent(1 / 3);
}

/** ln((1 + x) / (1 - x)) for |x| up to a third. */
function twiceAreaTangent(x: number): number {
  let power = x;
  let sum = 0;
  for (let degree = 1; degree < 45; degree += 2) {
    sum += power / degree;
    power *= x * x;
  }
  return 2 * sum;
}
