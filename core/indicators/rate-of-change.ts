import { checkPeriod } from './period.ts';
import { publish, type Series } from './program.ts';
import { pushToRing, ringSlots } from './ring.ts';

/**
 * Rate of change in percent against the value `period` bars ago; 0 where that was 0, as in TA-Lib. First value at bar `period + 1`.
 * Slots: period + 2.
 * @see https://github.com/TA-Lib/ta-lib/blob/main/src/ta_func/ta_ROC.c
 */
export function rateOfChange(source: Series, period: number): Series {
  checkPeriod('rateOfChange', period);
  const { program, slot: from, intervalIndex } = source;
  const ring = ringSlots(program, period + 1);
  const out = program.series(`rateOfChange(${source.label},${period})`, intervalIndex);
  const to = out.slot;
  program.step(intervalIndex, (slots, base) => {
    const value = slots[base + from] as number;
    if (Number.isNaN(value)) return;
    const at = base + ring;
    const oldest = pushToRing(slots, at, period + 1, value);
    const before = slots[at + 1 + oldest] as number;
    publish(slots, base + to, before === 0 ? 0 : (100 * (value - before)) / before);
  });
  return out;
}
