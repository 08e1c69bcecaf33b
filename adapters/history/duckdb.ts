import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { Bar, BarBatch, LateTrade } from '../../core/bar.ts';
import { barsTable, type HistoryTable, lateTable, quarantineTable, signalsTable, tradesTable } from '../../core/history-tables.ts';
import type { Quarantined } from '../../core/reasons.ts';
import type { Signal } from '../../core/signal.ts';
import { readOnlyQuery } from './duckdb-query.ts';
import { appendRows, type Cell, readRows } from './duckdb-rows.ts';
import { columnsSql, orderSql, schemaSql, schemaVersion, tables } from './duckdb-schema.ts';
import { showTrades } from './duckdb-trades.ts';
import { type ExportedTable, type History, HistoryError, type QueryOptions, type QueryResult } from './history.ts';

export type DuckDbOptions = {
  /** Opens a file that is there, for reading only; several processes can, as long as none writes. @default false */
  readonly isReadOnly?: boolean;
  /** The tape whose trades are the table `trades`. @default there is no such table */
  readonly tape?: string;
  /** @default '512MB'; what does not fit goes to a folder beside the file */
  readonly memoryLimit?: string;
};

/**
 * The history in one DuckDB file, which no other process can open while this one has it open for writing.
 * @throws HistoryError `history-locked`, `history-missing`, `history-newer` or `history-failed`
 */
export async function openDuckDbHistory(file: string, options: DuckDbOptions = {}): Promise<History> {
  const { isReadOnly = false, memoryLimit = '512MB', tape } = options;
  const path = resolve(file);
  if (isReadOnly && !existsSync(path)) throw new HistoryError('history-missing', `there is no history at "${file}"`);
  if (!isReadOnly) await mkdir(dirname(path), { recursive: true });
  const instance = await openInstance(path, {
    access_mode: isReadOnly ? 'READ_ONLY' : 'READ_WRITE',
    memory_limit: memoryLimit,
    threads: '2',
  });
  try {
    const connection = await instance.connect();
    if (!isReadOnly) await connection.run(schemaSql());
    await refuseNewer(connection, file);
    await closeTheRestOfTheDisk(connection, path);
    return new DuckDbHistory(instance, connection, path, tape);
  } catch (cause) {
    instance.closeSync();
    throw cause instanceof HistoryError
      ? cause
      : new HistoryError('history-failed', `the history at "${file}" cannot be used: ${messageOf(cause)}`, cause);
  }
}

class DuckDbHistory implements History {
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;
  readonly #path: string;
  readonly #tape: string | undefined;
  #lastWrite: Promise<unknown> = Promise.resolve();

  constructor(instance: DuckDBInstance, connection: DuckDBConnection, path: string, tape: string | undefined) {
    this.#instance = instance;
    this.#connection = connection;
    this.#path = path;
    this.#tape = tape;
  }

  writeBars(bars: BarBatch): Promise<void> {
    return this.#write(barsTable, bars.length === 0 ? [] : [...bars]);
  }

  writeSignals(signals: readonly Signal[]): Promise<void> {
    return this.#write(signalsTable, signals);
  }

  writeLate(late: readonly LateTrade[]): Promise<void> {
    return this.#write(lateTable, late);
  }

  writeQuarantined(quarantined: readonly Quarantined[]): Promise<void> {
    return this.#write(quarantineTable, quarantined);
  }

  async *bars(): AsyncGenerator<Bar> {
    for await (const row of this.#standing(barsTable)) {
      const [symbol, windowStartMs, windowEndMs, open, high, low, close, volume, tradeCount, vwap, rev] = row as BarRow;
      yield { symbol, windowStartMs, windowEndMs, open, high, low, close, volume, tradeCount, vwap, rev };
    }
  }

  async *signals(): AsyncGenerator<Signal> {
    for await (const row of this.#standing(signalsTable)) {
      const [signalId, symbol, strategy, side, intent, windowStartMs, windowEndMs, price, confidence, reasons] = row as SignalRow;
      yield { signalId, symbol, strategy, side, intent, windowStartMs, windowEndMs, price, confidence, reasons };
    }
  }

  async query(sql: string, options?: QueryOptions): Promise<QueryResult> {
    return this.#reading((connection) => readOnlyQuery(connection, sql, options));
  }

  async exportParquet(folder: string): Promise<ExportedTable[]> {
    await mkdir(folder, { recursive: true });
    await mkdir(exportFolderOf(this.#path), { recursive: true });
    const passing = await mkdtemp(join(exportFolderOf(this.#path), 'export-'));
    try {
      const exported: ExportedTable[] = [];
      for (const table of this.#tape ? [...tables, tradesTable] : tables) {
        const made = join(passing, `${table.name}.parquet`);
        const file = join(folder, `${table.name}.parquet`);
        const rows = await this.#reading((connection) => copyToParquet(connection, table, made));
        await move(made, file);
        exported.push({ table: table.name, file, rows });
      }
      return exported;
    } finally {
      await rm(passing, { recursive: true, force: true });
      await rmdir(exportFolderOf(this.#path)).catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    await this.#lastWrite;
    this.#connection.closeSync();
    this.#instance.closeSync();
  }

  /** One transaction for each call, one after the other: the connection has room for one. */
  #write(table: HistoryTable, rows: readonly object[]): Promise<void> {
    if (rows.length === 0) return Promise.resolve();
    const written = this.#lastWrite.then(() => appendInTransaction(this.#connection, table, rows));
    this.#lastWrite = written.catch(() => undefined);
    return written;
  }

  async *#standing(table: HistoryTable): AsyncGenerator<Cell[]> {
    const connection = await this.#instance.connect();
    try {
      yield* readRows(connection, `SELECT ${columnsSql(table)} FROM ${table.name} ORDER BY ${orderSql(table)}`);
    } finally {
      connection.closeSync();
    }
  }

  async #reading<T>(read: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    const connection = await this.#instance.connect();
    const endScans = this.#tape === undefined ? () => {} : await showTrades(connection, this.#tape);
    try {
      return await read(connection);
    } finally {
      endScans();
      connection.closeSync();
    }
  }
}

type BarRow = [string, number, number, number | null, number | null, number | null, number | null, number, number, number | null, number];
type SignalRow = [string, string, string, Signal['side'], Signal['intent'], number, number, number, number, string[]];

async function openInstance(path: string, options: Record<string, string>): Promise<DuckDBInstance> {
  try {
    return await DuckDBInstance.create(path, options);
  } catch (cause) {
    const message = messageOf(cause);
    const isLocked = /lock/i.test(message);
    const holder = /PID (\d+)/.exec(message)?.[1];
    if (isLocked)
      throw new HistoryError(
        'history-locked',
        `the history at "${path}" is in use by ${holder ? `process ${holder}` : 'another process'}`,
        cause,
      );
    throw new HistoryError('history-failed', `the history at "${path}" cannot be opened: ${message}`, cause);
  }
}

async function refuseNewer(connection: DuckDBConnection, file: string): Promise<void> {
  const result = await connection.runAndReadAll('SELECT max(version)::INTEGER FROM history_version');
  const version = result.getRows()[0]?.[0] as number;
  if (version > schemaVersion) {
    throw new HistoryError(
      'history-newer',
      `the history at "${file}" has format ${version}, this version reads up to ${schemaVersion}: use the newer version that wrote it`,
    );
  }
}

/** From here on SQL reaches this database and what it spills, and no other file, network address or extension. */
async function closeTheRestOfTheDisk(connection: DuckDBConnection, path: string): Promise<void> {
  await connection.run(`SET allowed_directories = ['${exportFolderOf(path).replaceAll("'", "''")}']`);
  await connection.run('SET enable_external_access = false');
  await connection.run('SET lock_configuration = true');
}

async function appendInTransaction(connection: DuckDBConnection, table: HistoryTable, rows: readonly object[]): Promise<void> {
  try {
    await connection.run('BEGIN TRANSACTION');
    await appendRows(connection, table, rows);
    await connection.run('COMMIT');
  } catch (cause) {
    await connection.run('ROLLBACK').catch(() => undefined);
    throw new HistoryError('history-failed', `${rows.length} rows of ${table.name} could not be written: ${messageOf(cause)}`, cause);
  }
}

async function copyToParquet(connection: DuckDBConnection, table: HistoryTable, file: string): Promise<number> {
  const select = `SELECT * FROM ${table.name} ORDER BY ${orderSql(table)}`;
  const result = await connection.run(`COPY (${select}) TO '${file.replaceAll("'", "''")}' (FORMAT parquet, COMPRESSION zstd)`);
  return result.rowsChanged;
}

/** Parquet is written beside the database, the one place that SQL may write to, and moved to where it was asked for. */
function exportFolderOf(path: string): string {
  return `${path}.export`;
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EXDEV') throw cause;
    await copyFile(from, `${to}.partial`);
    await rename(`${to}.partial`, to);
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
