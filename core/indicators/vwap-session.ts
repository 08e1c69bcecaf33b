import type { BarSource } from './bar-source.ts';
import { publish, type Series } from './program.ts';

/**
 * Volume-weighted average price since the calendar's session began: the sum of price × size of the trades themselves, not of typical bar
 * prices, over the sum of sizes. A bar belongs to the session that its window starts in. First value at bar 1; the close until something
 * was traded in the session.
 * Slots: 3 (session day, notional, volume).
 * @see https://www.cmegroup.com/education/courses/technical-analysis/vwap.html
 */
export function vwapSession(source: BarSource): Series {
  const { program, intervalIndex } = source;
  const { calendar } = program;
  const own = program.slots(3);
  const out = program.series(`vwapSession(${source.label},${calendar.name})`, intervalIndex);
  const to = out.slot;
  program.step(intervalIndex, (slots, base, bar) => {
    const at = base + own;
    const day = calendar.sessionDayOf(bar.windowStartMs);
    const isSameSession = slots[at] === day;
    const notional = bar.notional + (isSameSession ? (slots[at + 1] as number) : 0);
    const volume = bar.volume + (isSameSession ? (slots[at + 2] as number) : 0);
    slots[at] = day;
    slots[at + 1] = notional;
    slots[at + 2] = volume;
    publish(slots, base + to, volume > 0 ? notional / volume : bar.close);
  });
  return out;
}
