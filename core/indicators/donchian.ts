import type { BarSource } from './bar-source.ts';
import { checkPeriod } from './period.ts';
import { publish } from './program.ts';
import { pushToRing, ringSlots } from './ring.ts';

/**
 * Donchian channel: the highest high, the lowest low and their middle over the last `period` bars, the present one included, as in LEAN
 * and trading-signals. So a close is never above `upper.now`: a breakout is a close above `upper.previous`. First value at bar `period`.
 * Slots: 2 × (period + 1).
 * @see https://www.tradingview.com/support/solutions/43000502253-donchian-channels-dc/
 */
export function donchian(source: BarSource, period: number) {
  checkPeriod('donchian', period);
  const { program, intervalIndex } = source;
  const highs = ringSlots(program, period);
  const lows = ringSlots(program, period);
  const label = `donchian(${source.label},${period})`;
  const upper = program.series(`${label}.upper`, intervalIndex);
  const lower = program.series(`${label}.lower`, intervalIndex);
  const middle = program.series(`${label}.middle`, intervalIndex);
  const [toUpper, toLower, toMiddle] = [upper.slot, lower.slot, middle.slot];
  program.step(intervalIndex, (slots, base, bar) => {
    const oldest = pushToRing(slots, base + highs, period, bar.high);
    pushToRing(slots, base + lows, period, bar.low);
    if (Number.isNaN(slots[base + highs + 1 + oldest] as number)) return;
    const high = highestOf(slots, base + highs + 1, period);
    const low = lowestOf(slots, base + lows + 1, period);
    publish(slots, base + toUpper, high);
    publish(slots, base + toLower, low);
    publish(slots, base + toMiddle, (high + low) / 2);
  });
  return { upper, lower, middle };
}

// Comparing is twice as fast as Math.max and Math.min, which care for -0 and NaN.
function highestOf(slots: Float64Array, first: number, count: number): number {
  let highest = slots[first] as number;
  for (let i = first + 1; i < first + count; i++) {
    const value = slots[i] as number;
    if (value > highest) highest = value;
  }
  return highest;
}

function lowestOf(slots: Float64Array, first: number, count: number): number {
  let lowest = slots[first] as number;
  for (let i = first + 1; i < first + count; i++) {
    const value = slots[i] as number;
    if (value < lowest) lowest = value;
  }
  return lowest;
}
