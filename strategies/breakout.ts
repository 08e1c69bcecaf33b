import { defineStrategy } from '../core/strategy.ts';

/** Buys a close above the range of the last 20 bars while the price is above its session average; leaves below the range of the last 10. */
export default defineStrategy('breakout', { cooldownMs: 60_000 }, ({ bar, donchian, vwapSession, above, below, buy, sell, hold }) => {
  const entry = donchian(bar, 20);
  const exit = donchian(bar, 10);
  const average = vwapSession(bar);
  return () => {
    if (above(bar.close, entry.upper.previous) && above(bar.close, average))
      return buy(['closed above the 20-bar high', 'above session vwap']);
    if (below(bar.close, exit.lower.previous)) return sell('closed below the 10-bar low');
    return hold();
  };
});
