import {
  type RejectedRecord,
  RejectedRecordsException,
  type TimestreamWriteClient,
  WriteRecordsCommand,
} from '@aws-sdk/client-timestream-write';
import type { BarBatch, LateTrade } from '../../core/bar.ts';
import type { Quarantined } from '../../core/reasons.ts';
import type { Signal } from '../../core/signal.ts';
import { failureOf } from '../aws-failure.ts';
import { type Backoff, type Wait, waitAfterAttempt } from '../backoff.ts';
import { inParallel } from '../in-parallel.ts';
import { type History, HistoryError, type TradeHistory } from './history.ts';
import {
  hoisted,
  keyOf,
  rowOfBar,
  rowOfLate,
  rowOfQuarantined,
  rowOfSignal,
  rowOfTrade,
  type TimestreamRow,
  type TimestreamTable,
} from './timestream-rows.ts';
import type { TradeRow } from './trades.ts';

export type TimestreamHistoryOptions = {
  readonly client: TimestreamWriteClient;
  readonly database: string;
  /** Takes the rows that Timestream will never take. @throws when it could not, and then the write fails */
  readonly keepRefused: (refused: readonly RefusedRow[]) => Promise<void>;
  /** Waits between attempts. @default the clock's */
  readonly wait?: Wait;
  /** When quarantined input is set aside, in Unix ms. @default the clock's */
  readonly now?: () => number;
};

/** A row that is of no use to the history, and in the service's words why: too old or too far ahead, too large, or another under its version. */
export type RefusedRow = { readonly table: TimestreamTable; readonly reason: string; readonly row: TimestreamRow };

/** @see https://docs.aws.amazon.com/timestream/latest/developerguide/API_WriteRecords.html */
const callRowsMax = 100;
const parallelMax = 8;
/** So many rows are made at a time, whatever a batch holds. */
const sliceRows = callRowsMax * parallelMax * 4;
const attemptsMax = 8;
const backoff: Backoff = { baseMs: 100, maxMs: 2_000 };

/**
 * Trades, bars, signals, late trades and quarantined input in the tables of these names of one Timestream database. A repeat is the same row again; of a bar the
 * highest `rev` stands. One bad row takes no other with it.
 */
export class TimestreamHistory implements Pick<History, 'writeBars' | 'writeSignals' | 'writeLate' | 'writeQuarantined'>, TradeHistory {
  readonly #options: TimestreamHistoryOptions;
  readonly #backoff: Backoff;

  constructor(options: TimestreamHistoryOptions) {
    this.#options = options;
    this.#backoff = { ...backoff, wait: options.wait };
  }

  /** @throws HistoryError `history-failed` when some of it was not taken */
  async writeBars(bars: BarBatch): Promise<void> {
    await this.#write('bars', bars, rowOfBar);
  }

  /** @throws HistoryError `history-failed` when some of it was not taken */
  async writeSignals(signals: readonly Signal[]): Promise<void> {
    await this.#write('signals', signals, rowOfSignal);
  }

  /** @throws HistoryError `history-failed` when some of it was not taken */
  async writeLate(late: readonly LateTrade[]): Promise<void> {
    await this.#write('late', late, rowOfLate);
  }

  /** @throws HistoryError `history-failed` when some of it was not taken */
  async writeQuarantined(quarantined: readonly Quarantined[]): Promise<void> {
    const nowMs = (this.#options.now ?? Date.now)();
    await this.#write('quarantine', quarantined, (item) => rowOfQuarantined(item, nowMs));
  }

  /** @throws HistoryError `history-failed` when some of it was not taken */
  async writeTrades(trades: Iterable<TradeRow>): Promise<void> {
    await this.#write('trades', trades, rowOfTrade);
  }

  async #write<T>(table: TimestreamTable, items: Iterable<T>, rowOf: (item: T) => TimestreamRow): Promise<void> {
    for (const slice of slicesOf(items, sliceRows)) {
      const rows = latestOf(slice.map(rowOf));
      const refused = (await inParallel([...slicesOf(rows, callRowsMax)], parallelMax, (call) => this.#put(table, call))).flat();
      if (refused.length > 0) await this.#options.keepRefused(refused);
    }
  }

  /** One call, again while it may pass; what of it is refused for good. */
  async #put(table: TimestreamTable, rows: readonly TimestreamRow[]): Promise<RefusedRow[]> {
    for (let attempt = 1; ; attempt++) {
      const failure = await this.#putOnce(table, rows);
      if (failure === undefined) return [];
      if (failure instanceof RejectedRecordsException) return refusedOf(table, rows, failure);
      if (failure.name === 'ValidationException') return this.#putHalves(table, rows, failure);
      if (attempt === attemptsMax) {
        throw new HistoryError('history-failed', `the table "${table}" did not take ${rows.length} rows in ${attempt} attempts`, failure);
      }
      await waitAfterAttempt(attempt, this.#backoff);
    }
  }

  /** A call that is invalid says not by which row: it is found by halves. */
  async #putHalves(table: TimestreamTable, rows: readonly TimestreamRow[], { message }: Error): Promise<RefusedRow[]> {
    if (rows.length === 1) return rows.map((row) => ({ table, reason: message, row }));
    const middle = Math.ceil(rows.length / 2);
    const refused: RefusedRow[] = [];
    for (const half of [rows.slice(0, middle), rows.slice(middle)]) refused.push(...(await this.#put(table, half)));
    return refused;
  }

  /** Why it was not taken, if that is for the caller to act on. */
  async #putOnce(table: TimestreamTable, rows: readonly TimestreamRow[]): Promise<Error | undefined> {
    const { client, database } = this.#options;
    try {
      await client.send(new WriteRecordsCommand({ DatabaseName: database, TableName: table, ...hoisted(table, rows) }));
      return undefined;
    } catch (cause) {
      const failure = failureOf(cause);
      if (failure === 'ours') throw cause;
      const { name } = cause as Error;
      const isForUs =
        failure === 'passing' || ['RejectedRecordsException', 'ValidationException', 'InvalidEndpointException'].includes(name);
      if (isForUs) return cause as Error;
      throw new HistoryError(
        'history-failed',
        `Timestream refused to write to "${database}"."${table}" (${name}); check that it is there and may be written to`,
        cause,
      );
    }
  }
}

/** All others of the call are stored. A row that is there in a higher version is newer than ours: nothing is lost. */
function refusedOf(
  table: TimestreamTable,
  rows: readonly TimestreamRow[],
  { RejectedRecords = [] }: RejectedRecordsException,
): RefusedRow[] {
  return RejectedRecords.flatMap((rejected: RejectedRecord) => {
    const { RecordIndex = -1, Reason = 'no reason given', ExistingVersion = 0 } = rejected;
    const row = rows[RecordIndex];
    if (row === undefined)
      throw new HistoryError('history-failed', `Timestream rejected row ${RecordIndex} of a call of ${rows.length}: "${Reason}"`);
    return ExistingVersion > row.Version ? [] : [{ table, reason: Reason, row }];
  });
}

/** A call may not have a row twice: of a bar that closed and was corrected in one batch, the last. */
function latestOf(rows: readonly TimestreamRow[]): TimestreamRow[] {
  const byKey = new Map<string, TimestreamRow>();
  for (const row of rows) {
    const key = keyOf(row);
    const known = byKey.get(key);
    if (known === undefined || row.Version >= known.Version) byKey.set(key, row);
  }
  return [...byKey.values()];
}

function* slicesOf<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let slice: T[] = [];
  for (const item of items) {
    slice.push(item);
    if (slice.length < size) continue;
    yield slice;
    slice = [];
  }
  if (slice.length > 0) yield slice;
}
