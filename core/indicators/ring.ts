import type { Program } from './program.ts';

/**
 * The last `size` values in `size + 1` slots: the place of the oldest, then the values, which begin as NaN. As long as a NaN is in the
 * place of the oldest, the ring is not full. What is computed from it is computed anew, from oldest to newest, so it depends on these
 * values alone and not on those that went before, as a running sum would.
 */
export function ringSlots(program: Program, size: number): number {
  const place = program.slots(1);
  program.slots(size, Number.NaN);
  return place;
}

/** Puts a value in the place of the oldest one. @returns the place of the value that is now the oldest */
export function pushToRing(slots: Float64Array, at: number, size: number, value: number): number {
  const place = (slots[at] as number) | 0;
  slots[at + 1 + place] = value;
  const oldest = place + 1 === size ? 0 : place + 1;
  slots[at] = oldest;
  return oldest;
}

/** The mean, exact for equal values. NaN while the ring is not full. @param oldest what `pushToRing` returned */
export function meanOfRing(slots: Float64Array, at: number, size: number, oldest: number): number {
  const first = at + 1;
  // Measured from one of the values, the sum is small: prices of 1e9 keep their digits and equal prices have that very price as mean.
  const origin = slots[first + oldest] as number;
  let sum = 0;
  for (let i = first + oldest, end = first + size; i < end; i++) sum += (slots[i] as number) - origin;
  for (let i = first, end = first + oldest; i < end; i++) sum += (slots[i] as number) - origin;
  return origin + sum / size;
}

/** The population's standard deviation, 0 for equal values. */
export function deviationOfRing(slots: Float64Array, at: number, size: number, oldest: number, mean: number): number {
  const first = at + 1;
  let squares = 0;
  for (let i = first + oldest, end = first + size; i < end; i++) {
    const distance = (slots[i] as number) - mean;
    squares += distance * distance;
  }
  for (let i = first, end = first + oldest; i < end; i++) {
    const distance = (slots[i] as number) - mean;
    squares += distance * distance;
  }
  return Math.sqrt(squares / size);
}
