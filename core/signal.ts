import type { EpochMs } from './trade.ts';

export type Side = 'buy' | 'sell';

/** A decision to tell somebody about, not an order. The same decision has the same `signalId` however often it is made. */
export type Signal = {
  readonly signalId: string;
  readonly symbol: string;
  readonly strategy: string;
  readonly side: Side;
  /** `enter` opens a position (long on buy, short on sell), `exit` closes the one held. */
  readonly intent: 'enter' | 'exit';
  readonly windowStartMs: EpochMs;
  readonly windowEndMs: EpochMs;
  /** The close of the window's bar. */
  readonly price: number;
  /** From 0 to 1. */
  readonly confidence: number;
  readonly reasons: readonly string[];
};

/** A signal as it is raised: it names the one before it of its symbol, so that whoever gets them in another order can see it. */
export type LinkedSignal = Signal & {
  /** The `signalId` of the symbol's last signal before this one, of whatever strategy; absent when this is the first. */
  readonly previousId?: string;
};

/** The signal alone, as it is written and compared. */
export function withoutLink({ previousId: _, ...signal }: LinkedSignal): Signal {
  return signal;
}

/** The order of a symbol's signals: by the end of the window, then by id, so that it is the same however they came. */
export function bySignalOrder(a: SignalPlace, b: SignalPlace): number {
  return a.windowEndMs - b.windowEndMs || (a.signalId < b.signalId ? -1 : Number(a.signalId > b.signalId));
}

/** Where a signal is among those of its symbol. */
export type SignalPlace = Pick<Signal, 'windowEndMs' | 'signalId'>;
