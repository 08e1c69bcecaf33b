import type { Bar, BarBatch, LateTrade } from '../../core/bar.ts';
import type { Quarantined } from '../../core/reasons.ts';
import type { Signal } from '../../core/signal.ts';
import { TapelineError } from '../errors.ts';
import type { TradeRow } from './trades.ts';

/**
 * What the pipeline gave out, kept to be asked again. Every write may be repeated, whole or in part, in the same or a later process:
 * the tables stay the same. A resolved write survives the end of the process, `kill -9` included.
 */
export interface History {
  /** Of one (symbol, windowStartMs, windowEndMs) the bar with the highest `rev` stands. The batch must stay as it is until this resolves. */
  writeBars(bars: BarBatch): Promise<void>;
  /** One row for each `signalId`. */
  writeSignals(signals: readonly Signal[]): Promise<void>;
  /** One row for each (position, windowStartMs, windowEndMs). */
  writeLate(late: readonly LateTrade[]): Promise<void>;
  /** One row for each (position, reason). */
  writeQuarantined(quarantined: readonly Quarantined[]): Promise<void>;
  /** The final table in order of (symbol by code point, windowStartMs, windowEndMs), as it was when the first bar was asked for; memory is bounded. */
  bars(): AsyncIterable<Bar>;
  /** In order of (symbol by code point, windowStartMs, windowEndMs, strategy, signalId). */
  signals(): AsyncIterable<Signal>;
  /**
   * Answers one SQL statement that only reads; the tables are `bars`, `signals`, `late`, `quarantine`, and `trades` where it has them.
   * @throws HistoryError `query-refused`, `query-failed` or `query-too-large`
   */
  query(sql: string, options?: QueryOptions): Promise<QueryResult>;
  /** Writes each table to a Parquet file of its name in `folder`, which is made when missing; files of these names are replaced. */
  exportParquet(folder: string): Promise<ExportedTable[]>;
  close(): Promise<void>;
}

/** A history that takes every trade too, one row for each `entry`. */
export interface TradeHistory {
  writeTrades(trades: Iterable<TradeRow>): Promise<void>;
}

/** Values are null, booleans, numbers, strings, arrays and plain objects: what JSON can hold, with nothing rounded. */
export type QueryResult = { columns: { name: string; type: string }[]; rows: unknown[][] };

export type QueryOptions = {
  /** @default 1,000,000 */
  readonly rowsMax?: number;
  /** Of the rows as JSON, where the history is on this machine. @default without a bound */
  readonly charactersMax?: number;
  /** Stops the query. */
  readonly signal?: AbortSignal;
};

export type ExportedTable = { table: string; file: string; rows: number };

export type HistoryErrorCode =
  | 'history-missing'
  | 'history-locked'
  | 'history-newer'
  | 'history-failed'
  | 'query-refused'
  | 'query-failed'
  | 'query-too-large';

/** The history could not do what was asked. */
export class HistoryError extends TapelineError {
  declare readonly code: HistoryErrorCode;

  constructor(code: HistoryErrorCode, message: string, cause?: unknown) {
    super(message, { code, retryable: code === 'history-locked' || code === 'history-failed', cause });
  }
}
