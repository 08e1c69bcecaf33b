import { checkPeriod } from './period.ts';
import { publish, type Series } from './program.ts';

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
 * Slots: 2 (values seen, average).
 * @see https://github.com/TA-Lib/ta-lib/blob/main/src/ta_func/ta_EMA.c
 */
export function ema(source: Series, period: number, { seed = 'sma' }: EmaOptions = {}): Series {
  checkPeriod('ema', period);
  checkSeed(seed);
  const { program, slot: from, intervalIndex } = source;
  const weight = 2 / (period + 1);
  const seedCount = seed === 'sma' ? period : 1;
  const own = program.slots(2);
  const out = program.series(`ema(${source.label},${period},${seed})`, intervalIndex);
  const to = out.slot;
  program.step(intervalIndex, (slots, base) => {
    const value = slots[base + from] as number;
    if (Number.isNaN(value)) return;
    const at = base + own;
    const seen = (slots[at] as number) + 1;
    const average = slots[at + 1] as number;
    const next = seen > seedCount ? average + (value - average) * weight : average + (value - average) / seen;
    slots[at + 1] = next;
    if (seen <= period) slots[at] = seen;
    if (seen >= period) publish(slots, base + to, next);
  });
  return out;
}

function checkSeed(seed: unknown): void {
  if (seed !== 'sma' && seed !== 'first') throw new RangeError(`ema: seed must be 'sma' or 'first', received "${String(seed)}"`);
}
