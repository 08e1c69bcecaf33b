import { defineStrategy } from '../core/strategy.ts';

/** Goes against the extreme: buys when a fall has run out, sells when a rise has. */
export default defineStrategy('rsi-reversion', ({ bar, rsi, crossedAbove, crossedBelow, buy, sell, hold }) => {
  const strength = rsi(bar.close, 14);
  return () => {
    if (crossedAbove(strength, 30)) return buy('strength came back above 30');
    if (crossedBelow(strength, 70)) return sell('strength came back below 70');
    return hold();
  };
});
