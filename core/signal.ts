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
