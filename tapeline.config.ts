import { defineTapeline } from './core/config.ts';
import breakout from './strategies/breakout.ts';
import emaCross from './strategies/ema-cross.ts';
import rsiReversion from './strategies/rsi-reversion.ts';

export default defineTapeline({
  interval: '1m',
  strategies: [emaCross, rsiReversion, breakout],
});
