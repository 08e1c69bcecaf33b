import { checkPeriod } from './period.ts';
import { publish, type Series } from './program.ts';
import { deviationOfRing, meanOfRing, pushToRing, ringSlots } from './ring.ts';

/**
 * How many population standard deviations the present value is above the mean of the last `period` values, itself included; 0 where all
 * are equal. First value at bar `period`.
 * Slots: period + 1.
 * @see https://en.wikipedia.org/wiki/Standard_score
 */
export function zScore(source: Series, period: number): Series {
  checkPeriod('zScore', period, { least: 2 });
  const { program, slot: from, intervalIndex } = source;
  const ring = ringSlots(program, period);
  const out = program.series(`zScore(${source.label},${period})`, intervalIndex);
  const to = out.slot;
  program.step(intervalIndex, (slots, base) => {
    const value = slots[base + from] as number;
    if (Number.isNaN(value)) return;
    const at = base + ring;
    const oldest = pushToRing(slots, at, period, value);
    const mean = meanOfRing(slots, at, period, oldest);
    const deviation = deviationOfRing(slots, at, period, oldest, mean);
    publish(slots, base + to, deviation === 0 ? 0 : (value - mean) / deviation);
  });
  return out;
}
