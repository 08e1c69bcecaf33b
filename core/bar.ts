import type { LateReason } from './reasons.ts';
import type { EpochMs } from './trade.ts';

/**
 * One window of one symbol. Windows are [start, end). Prices are null in a window whose trades may only touch the volume (odd lots and
 * the like under `--conditions sip`). `rev` counts the times this bar was given out: the one with the highest `rev` stands.
 */
export type Bar = {
  readonly symbol: string;
  readonly windowStartMs: EpochMs;
  readonly windowEndMs: EpochMs;
  readonly open: number | null;
  readonly high: number | null;
  readonly low: number | null;
  readonly close: number | null;
  /** Exact to 15 significant digits. */
  readonly volume: number;
  readonly tradeCount: number;
  /** Sum of price × size over volume, to 15 significant digits; null without volume. A carried bar has the carried close here. */
  readonly vwap: number | null;
  readonly rev: number;
};

/** A trade that came after its window of one interval was gone. One entry for each interval that it missed. */
export type LateTrade = {
  readonly symbol: string;
  readonly eventTimeMs: EpochMs;
  readonly price: number;
  readonly size: number;
  readonly windowStartMs: EpochMs;
  readonly windowEndMs: EpochMs;
  readonly reason: LateReason;
  /** How far the watermark was past the end of the window. */
  readonly lateByMs: number;
  readonly position: string;
};

/**
 * The average price; the close where nothing was traded. The digits that rounding made would put it above or below all prices of the window:
 * those behind the fifteenth are cut off, as they are from sums.
 */
export function vwapOf(notional: number, volume: number, close: number): number {
  return volume > 0 ? Number((notional / volume).toPrecision(15)) : close;
}

const stride = 10;

/** Bars in the order they were given out, as one slab: nothing is allocated per bar until `at` is asked for one. NaN stands for null. */
export class BarBatch {
  length = 0;
  readonly symbols: string[] = [];
  /** Rows of ten: window start, window end, open, high, low, close, volume, notional, trade count, rev. */
  values = new Float64Array(64 * stride);

  /** @param notional sum of price × size */
  add(
    symbol: string,
    windowStartMs: number,
    windowEndMs: number,
    open: number,
    high: number,
    low: number,
    close: number,
    volume: number,
    notional: number,
    tradeCount: number,
    rev: number,
  ): void {
    const at = this.length * stride;
    if (at === this.values.length) {
      const values = new Float64Array(at * 2);
      values.set(this.values);
      this.values = values;
    }
    const { values } = this;
    values[at] = windowStartMs;
    values[at + 1] = windowEndMs;
    values[at + 2] = open;
    values[at + 3] = high;
    values[at + 4] = low;
    values[at + 5] = close;
    values[at + 6] = volume;
    values[at + 7] = notional;
    values[at + 8] = tradeCount;
    values[at + 9] = rev;
    this.symbols[this.length] = symbol;
    this.length++;
  }

  at(index: number): Bar {
    const at = index * stride;
    const value = (column: number) => this.values[at + column] as number;
    const nullable = (number: number) => (Number.isNaN(number) ? null : number);
    return {
      symbol: this.symbols[index] as string,
      windowStartMs: value(0),
      windowEndMs: value(1),
      open: nullable(value(2)),
      high: nullable(value(3)),
      low: nullable(value(4)),
      close: nullable(value(5)),
      volume: value(6),
      tradeCount: value(8),
      vwap: nullable(vwapOf(value(7), value(6), value(5))),
      rev: value(9),
    };
  }

  *[Symbol.iterator](): Generator<Bar> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }

  clear(): void {
    this.length = 0;
    this.symbols.length = 0;
  }
}
