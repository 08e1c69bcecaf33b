import { checkPeriod } from './period.ts';
import type { Series } from './program.ts';

/** How an exponential average begins. Families of tools differ, and so do their values for some hundred bars. */
export type EmaOptions = {
  /**
   * `sma`: with the mean of the first `period` values, as TA-Lib and LEAN do. `first`: with the first value, as Tulip and trading-signals do.
   * @default 'sma'
   */
  readonly seed?: 'sma' | 'first';
};

/**
 * Exponential moving average: each new value weighs 2 / (period + 1). First value at bar `period`, whichever the seed.
 * Slots: 2 for the seed.
 * @see https://github.com/TA-Lib/ta-lib/blob/main/src/ta_func/ta_EMA.c
 */
export function ema(source: Series, period: number, { seed = 'sma' }: EmaOptions = {}): Series {
  checkPeriod('ema', period);
  const { program, slot: from, intervalIndex } = source;
  const shape = emaShapeOf(period, seed);
  const seedSlot = program.slots(emaSeedSlots);
  const out = program.series(`ema(${source.label},${period},${seed})`, intervalIndex);
  const to = out.slot;
  const { weight } = shape;
  program.step(intervalIndex, (slots, base) => {
    const at = base + to;
    const value = slots[base + from] as number;
    const average = slots[at] as number;
    // The smallest of all indicators: `nextEma` and `publish` in one, with each slot read once.
    slots[at + 1] = average;
    slots[at] = Number.isNaN(average) ? nextSeed(slots, base + seedSlot, value, shape) : average + (value - average) * weight;
  });
  return out;
}

export type EmaShape = { readonly weight: number; readonly period: number; readonly seedCount: number };

/** @throws RangeError for a seed that is neither. */
export function emaShapeOf(period: number, seed: 'sma' | 'first'): EmaShape {
  if (seed !== 'sma' && seed !== 'first') throw new RangeError(`ema: seed must be 'sma' or 'first', received "${String(seed)}"`);
  return { weight: 2 / (period + 1), period, seedCount: seed === 'sma' ? period : 1 };
}

/** Values seen, and their average so far. */
export const emaSeedSlots = 2;

/** The average with one more value, NaN while it is not ready. @param at where the caller keeps the last answer, NaN at first */
export function nextEma(slots: Float64Array, at: number, seedAt: number, value: number, shape: EmaShape): number {
  const average = slots[at] as number;
  return Number.isNaN(average) ? nextSeed(slots, seedAt, value, shape) : average + (value - average) * shape.weight;
}

function nextSeed(slots: Float64Array, seedAt: number, value: number, { weight, period, seedCount }: EmaShape): number {
  if (Number.isNaN(value)) return value;
  const seen = (slots[seedAt] as number) + 1;
  const average = slots[seedAt + 1] as number;
  const next = seen > seedCount ? average + (value - average) * weight : average + (value - average) / seen;
  slots[seedAt] = seen;
  slots[seedAt + 1] = next;
  return seen < period ? Number.NaN : next;
}
