import fc from 'fast-check';
import { type SignalEvent, signalEventOf } from '../../../adapters/bus/signal-event.ts';
import type { Signal } from '../../../core/signal.ts';
import { signalIdOf } from '../../../core/signal-id.ts';

export function signalOf(symbol: string, window: number, changes: Partial<Signal> = {}): Signal {
  const windowStartMs = 1_381_152_600_000 + window * 60_000;
  const { strategy = 'ema-cross' } = changes;
  return {
    signalId: signalIdOf({ generation: '1', strategy, symbol, interval: '1m', windowStartMs }),
    symbol,
    strategy,
    side: 'buy',
    intent: 'enter',
    windowStartMs,
    windowEndMs: windowStartMs + 60_000,
    price: 181.88,
    confidence: 0.7,
    reasons: ['fast average crossed above slow'],
    ...changes,
  };
}

export function eventOf(symbol: string, window: number, changes: Partial<Signal> = {}): SignalEvent {
  return signalEventOf(signalOf(symbol, window, changes), { source: '/test' });
}

/** Signals of a few symbols and strategies, later windows behind earlier ones. */
export const someEvents = fc
  .array(fc.tuple(fc.constantFrom('A', 'B', 'C', 'BRK.B', '“⇡”'), fc.constantFrom('ema-cross', 'breakout')), { maxLength: 60 })
  .map((pairs) => pairs.map(([symbol, strategy], window) => eventOf(symbol, window, { strategy })));
