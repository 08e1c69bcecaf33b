import type { LinkedSignal, Signal } from '../../../core/signal.ts';
import { signalOf as buyOf } from '../bus/signals.ts';

/** The `number`-th signal of a symbol, a minute after the one before it: buys and sells in turn, each at a price of its own. */
export function signalOf(symbol: string, number: number, more: Partial<Signal> = {}): Signal {
  const turn = number % 2 === 0 ? ({ side: 'buy', intent: 'enter' } as const) : ({ side: 'sell', intent: 'exit' } as const);
  return buyOf(symbol, number, { ...turn, price: 100 + number, ...more });
}

/** The first signals of a symbol, each with the link to the one before it. */
export function linkedSignals(symbol: string, count: number): LinkedSignal[] {
  const signals = Array.from({ length: count }, (_, number) => signalOf(symbol, number));
  return signals.map((signal, i) => {
    const previousId = signals[i - 1]?.signalId;
    return previousId === undefined ? signal : { ...signal, previousId };
  });
}
