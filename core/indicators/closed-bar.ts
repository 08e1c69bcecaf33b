import type { EpochMs } from '../trade.ts';

/** A bar as indicators and strategies get it: one object, used again for the next bar, so nobody may keep it. */
export type ClosedBar = {
  symbol: string;
  windowStartMs: EpochMs;
  windowEndMs: EpochMs;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
  /** Sum of price × size. */
  notional: number;
  tradeCount: number;
};
