import { checkPeriod } from './period.ts';
import { publish, type Series } from './program.ts';
import { wilderAverage } from './wilder.ts';

/**
 * Relative strength index after Wilder, 0 to 100: the average gain over the average gain plus the average loss. First value at bar
 * `period + 1`, from the plain mean of the first `period` changes. Prices that never moved have no strength in either direction: 50.
 * Slots: 4 (changes seen, value before, average gain, average loss).
 * @see J. Welles Wilder, New Concepts in Technical Trading Systems, 1978; https://github.com/TA-Lib/ta-lib/blob/main/src/ta_func/ta_RSI.c
 */
export function rsi(source: Series, period: number): Series {
  checkPeriod('rsi', period);
  const { program, slot: from, intervalIndex } = source;
  const seenSlot = program.slots(1);
  const beforeSlot = program.slots(1, Number.NaN);
  const averages = program.slots(2);
  const out = program.series(`rsi(${source.label},${period})`, intervalIndex);
  const to = out.slot;
  program.step(intervalIndex, (slots, base) => {
    const value = slots[base + from] as number;
    if (Number.isNaN(value)) return;
    const change = value - (slots[base + beforeSlot] as number);
    slots[base + beforeSlot] = value;
    if (Number.isNaN(change)) return;
    const seen = Math.min((slots[base + seenSlot] as number) + 1, period);
    const gain = wilderAverage(slots[base + averages] as number, Math.max(change, 0), seen);
    const loss = wilderAverage(slots[base + averages + 1] as number, Math.max(-change, 0), seen);
    slots[base + seenSlot] = seen;
    slots[base + averages] = gain;
    slots[base + averages + 1] = loss;
    if (seen === period) publish(slots, base + to, gain + loss > 0 ? (100 * gain) / (gain + loss) : 50);
  });
  return out;
}
