import { checkPeriod } from './period.ts';
import { publish, type Series } from './program.ts';
import { meanOfRing, pushToRing, ringSlots } from './ring.ts';

/**
 * Simple moving average: the mean of the last `period` values. First value at bar `period`.
 * Slots: period + 1.
 * @see https://www.tradingview.com/support/solutions/43000502589-moving-averages/
 */
export function sma(source: Series, period: number): Series {
  checkPeriod('sma', period);
  const { program, slot: from, intervalIndex } = source;
  const ring = ringSlots(program, period);
  const out = program.series(`sma(${source.label},${period})`, intervalIndex);
  program.step(intervalIndex, (slots, base) => {
    const value = slots[base + from] as number;
    if (Number.isNaN(value)) return;
    const at = base + ring;
    publish(slots, base + out.slot, meanOfRing(slots, at, period, pushToRing(slots, at, period, value)));
  });
  return out;
}
