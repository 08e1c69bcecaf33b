import type { BarSource } from './bar-source.ts';
import { checkPeriod } from './period.ts';
import { publish, type Series } from './program.ts';
import { wilderAverage } from './wilder.ts';

/**
 * Average true range after Wilder. The first bar has no close before it, so its true range is high - low and it counts, as in LEAN and
 * trading-signals (TA-Lib leaves it out and is one bar later). First value at bar `period`, the plain mean.
 * Slots: 3 (bars seen, close before, average).
 * @see J. Welles Wilder, New Concepts in Technical Trading Systems, 1978
 */
export function atr(source: BarSource, period: number): Series {
  checkPeriod('atr', period);
  const { program, intervalIndex } = source;
  const own = program.slots(3);
  const out = program.series(`atr(${source.label},${period})`, intervalIndex);
  const to = out.slot;
  program.step(intervalIndex, (slots, base, bar) => {
    const at = base + own;
    const seenBefore = slots[at] as number;
    const seen = Math.min(seenBefore + 1, period);
    const trueRange = seenBefore === 0 ? bar.high - bar.low : trueRangeOf(bar.high, bar.low, slots[at + 1] as number);
    const average = wilderAverage(slots[at + 2] as number, trueRange, seen);
    slots[at] = seen;
    slots[at + 1] = bar.close;
    slots[at + 2] = average;
    if (seen === period) publish(slots, base + to, average);
  });
  return out;
}

function trueRangeOf(high: number, low: number, closeBefore: number): number {
  return Math.max(high, closeBefore) - Math.min(low, closeBefore);
}
