import { checkMultiple, checkPeriod } from './period.ts';
import { publish, type Series } from './program.ts';
import { deviationOfRing, meanOfRing, pushToRing, ringSlots } from './ring.ts';

/**
 * Bollinger bands: the mean of the last `period` values, and `deviations` times the population's standard deviation above and below.
 * First value at bar `period`. Equal values have bands of no width.
 * Slots: period + 1.
 * @see https://www.bollingerbands.com/bollinger-bands
 */
export function bollinger(source: Series, period = 20, deviations = 2) {
  checkPeriod('bollinger', period);
  checkMultiple('bollinger', deviations);
  const { program, slot: from, intervalIndex } = source;
  const ring = ringSlots(program, period);
  const label = `bollinger(${source.label},${period},${deviations})`;
  const upper = program.series(`${label}.upper`, intervalIndex);
  const middle = program.series(`${label}.middle`, intervalIndex);
  const lower = program.series(`${label}.lower`, intervalIndex);
  const [toUpper, toMiddle, toLower] = [upper.slot, middle.slot, lower.slot];
  program.step(intervalIndex, (slots, base) => {
    const value = slots[base + from] as number;
    if (Number.isNaN(value)) return;
    const at = base + ring;
    const oldest = pushToRing(slots, at, period, value);
    const mean = meanOfRing(slots, at, period, oldest);
    const distance = deviations * deviationOfRing(slots, at, period, oldest, mean);
    publish(slots, base + toUpper, mean + distance);
    publish(slots, base + toMiddle, mean);
    publish(slots, base + toLower, mean - distance);
  });
  return { upper, middle, lower };
}
