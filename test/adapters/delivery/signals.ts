import type { LinkedSignal, Signal } from '../../../core/signal.ts';
import { signalIdOf } from '../../../core/signal-id.ts';

/** The `number`-th signal of a symbol, a minute after the one before it. */
export function signalOf(symbol: string, number: number, more: Partial<Signal> = {}): Signal {
  const windowStartMs = 1_381_152_600_000 + number * 60_000;
  const { strategy = 'ema-cross' } = more;
  return {
    signalId: signalIdOf({ generation: '1', strategy, symbol, interval: '1m', windowStartMs }),
    symbol,
    strategy,
    side: number % 2 === 0 ? 'buy' : 'sell',
    intent: number % 2 === 0 ? 'enter' : 'exit',
    windowStartMs,
    windowEndMs: windowStartMs + 60_000,
    price: 100 + number,
    confidence: 0.7,
    reasons: ['fast crossed above slow'],
    ...more,
  };
}

/** The first signals of a symbol, each with the link to the one before it. */
export function linkedSignals(symbol: string, count: number): LinkedSignal[] {
  const signals = Array.from({ length: count }, (_, number) => signalOf(symbol, number));
  return signals.map((signal, i) => {
    const previousId = signals[i - 1]?.signalId;
    return previousId === undefined ? signal : { ...signal, previousId };
  });
}
