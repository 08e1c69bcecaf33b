import { defineStrategy } from '../core/strategy.ts';

/** Goes with the trend: long while the fast average is above the slow one. */
export default defineStrategy('ema-cross', ({ bar, ema, crossedAbove, crossedBelow, buy, sell, hold }) => {
  const fast = ema(bar.close, 12);
  const slow = ema(bar.close, 26);
  return () => {
    if (crossedAbove(fast, slow)) return buy('fast average crossed above slow');
    if (crossedBelow(fast, slow)) return sell('fast average crossed below slow');
    return hold();
  };
});
