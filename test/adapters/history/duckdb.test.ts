import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDuckDbHistory } from '../../../adapters/history/duckdb.ts';
import type { History } from '../../../adapters/history/history.ts';
import { BarBatch, type LateTrade } from '../../../core/bar.ts';
import type { Quarantined } from '../../../core/reasons.ts';
import { historyContract } from './contract.ts';
import { quarantineContract, writingContract } from './writing-contract.ts';
import { tries } from '../../tries.ts';

historyContract('DuckDB', (folder) => openDuckDbHistory(join(folder, 'history.duckdb')));

writingContract('DuckDB', (use) =>
  withHistory((history) => {
    const kept = {
      bars: () => all(history.bars()),
      signals: () => all(history.signals()),
      late: () => rowsOf<LateTrade>(history, 'SELECT * FROM late'),
    };
    return use({ writer: history, kept });
  }),
);

quarantineContract('DuckDB', (use) =>
  withHistory((history) => use(history, () => rowsOf<Quarantined>(history, 'SELECT position, reason, sample FROM quarantine'))),
);

async function withHistory(use: (history: History) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tapeline-written-'));
  const history = await openDuckDbHistory(join(folder, 'history.duckdb'));
  try {
    await use(history);
  } finally {
    await history.close();
    rmSync(folder, { recursive: true });
  }
}

async function rowsOf<T>(history: History, sql: string): Promise<T[]> {
  const { columns, rows } = await history.query(sql);
  return rows.map((row) => Object.fromEntries(columns.map(({ name }, i) => [name, row[i]])) as T);
}

describe('the DuckDB file', () => {
  let folder = '';
  let file = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tapeline-duckdb-'));
    file = join(folder, 'history.duckdb');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('holds all that was written when its writer was killed, three times over', async () => {
    const path = join(folder, 'killed.duckdb');
    let awaited = 0;
    for (let round = 0; round < 3; round++) {
      awaited = await writeUntilKilled(path, { from: awaited, atLeast: 40 });
      const reader = await openDuckDbHistory(path, { isReadOnly: true });
      const { rows } = await reader.query('SELECT count(*), count(DISTINCT symbol), max(windowStartMs) FROM bars');
      await reader.close();
      const [count, symbols, newest] = rows[0] as [number, number, number];
      expect(count).toBe((newest / 60_000 + 1) * barsPerBatch);
      expect(symbols).toBe(barsPerBatch);
      expect(newest / 60_000 + 1).toBeGreaterThanOrEqual(awaited);
      expect(newest / 60_000 + 1).toBeLessThanOrEqual(awaited + 1);
    }
  });

  it('is held by one writer, and says by which', async () => {
    const writer = spawnWriter(file, 0);
    await once(createInterface(writer.stdout), 'line');
    await expect(openDuckDbHistory(file)).rejects.toMatchObject({
      code: 'history-locked',
      retryable: true,
      message: expect.stringContaining(`process ${writer.pid}`),
    });
    await expect(openDuckDbHistory(file, { isReadOnly: true })).rejects.toMatchObject({ code: 'history-locked' });
    writer.kill('SIGKILL');
    await once(writer, 'exit');
    await (await openDuckDbHistory(file)).close();
  });

  it('is not made by a reader', async () => {
    const missing = join(folder, 'missing.duckdb');
    await expect(openDuckDbHistory(missing, { isReadOnly: true })).rejects.toMatchObject({ code: 'history-missing' });
    expect(existsSync(missing)).toBe(false);
  });

  it('is refused when it is something else, or of a newer format', async () => {
    const other = join(folder, 'other.duckdb');
    writeFileSync(other, 'this is not a database, only some text that is long enough to have a header'.repeat(100));
    await expect(openDuckDbHistory(other)).rejects.toMatchObject({ code: 'history-failed' });
    const newer = join(folder, 'newer.duckdb');
    const instance = await DuckDBInstance.create(newer);
    await (await instance.connect()).run('CREATE TABLE history_version AS SELECT 99 AS version');
    instance.closeSync();
    await expect(openDuckDbHistory(newer)).rejects.toMatchObject({ code: 'history-newer' });
  });

  it.each([
    "SELECT * FROM read_text('/etc/hostname')",
    "SELECT * FROM '/etc/hostname'",
    "SELECT * FROM read_csv('https://example.com/a.csv')",
    "SELECT * FROM glob('/*')",
    "COPY bars TO '/tmp/tapeline-bars.csv'",
    "ATTACH '/tmp/tapeline-other.duckdb' AS other",
    "EXPORT DATABASE '/tmp/tapeline-export'",
    'INSTALL httpfs',
    'LOAD httpfs',
    'SET enable_external_access = true',
    "PRAGMA memory_limit = '8GB'",
    "EXPLAIN ANALYZE INSERT INTO quarantine_rows VALUES ('a', 'b', 'c')",
    'CHECKPOINT',
    'BEGIN',
  ])('keeps %s away from the machine', async (sql) => {
    const history = await openDuckDbHistory(file);
    await expect(history.query(sql)).rejects.toMatchObject({ name: 'HistoryError' });
    expect((await history.query('SELECT count(*) FROM quarantine')).rows).toEqual([[0]]);
    await history.close();
  });

  it.each([
    ['1', 1],
    ['9007199254740991', 9_007_199_254_740_991],
    ['9007199254740993', '9007199254740993'],
    ['170141183460469231731687303715884105727', '170141183460469231731687303715884105727'],
    ['1.5', 1.5],
    ['0.1::DOUBLE + 0.2::DOUBLE', 0.300_000_000_000_000_04],
    ['1234567890123456789.01', '1234567890123456789.01'],
    ["'NaN'::DOUBLE", 'NaN'],
    ['true', true],
    ['NULL', null],
    ["DATE '2024-01-02'", '2024-01-02'],
    ["TIMESTAMP '2024-01-02 14:30:00.123'", '2024-01-02 14:30:00.123'],
    ['epoch_ms(1704205800123)', '2024-01-02 14:30:00.123'],
    ["['a', NULL]", ['a', null]],
    ["{'a': 1, 'b': [2]}", { a: 1, b: [2] }],
    ["MAP {'a': 1}", [{ key: 'a', value: 1 }]],
  ])('answers SELECT %s with a value that JSON holds', async (expression, value) => {
    const history = await openDuckDbHistory(file);
    const { rows } = await history.query(`SELECT ${expression}`);
    expect(JSON.parse(JSON.stringify(rows))).toEqual([[value]]);
    await history.close();
  });

  it('stops a query that is no longer wanted', async () => {
    const history = await openDuckDbHistory(file);
    const stop = new AbortController();
    const endless = history.query('SELECT count(*) FROM range(10000000) a, range(10000000) b', { signal: stop.signal });
    setTimeout(() => stop.abort(), 50);
    await expect(endless).rejects.toMatchObject({ code: 'query-failed' });
    await history.close();
  });

  it('streams more bars than its memory holds, in order, while more are written', async () => {
    const history = await openDuckDbHistory(join(folder, 'large.duckdb'), { memoryLimit: '128MB' });
    // They outgrow it when all are tried.
    const minutes = tries(24);
    for (let minute = 0; minute < minutes; minute++) await history.writeBars(minuteBars(minute, 50_000));
    let seen = 0;
    let last = '';
    for await (const { symbol, windowStartMs } of history.bars()) {
      const key = `${symbol}/${String(windowStartMs).padStart(12, '0')}`;
      if (key <= last) throw new Error(`${key} came after ${last}`);
      last = key;
      if (seen++ % 200_000 === 0) await history.writeBars(minuteBars(1_000, 10));
    }
    expect(seen).toBe(minutes * 50_000);
    await history.close();
  });

  it('gives Parquet files that hold the tables in order', async () => {
    const history = await openDuckDbHistory(join(folder, 'exported.duckdb'));
    for (const minute of [2, 0, 1, 1]) await history.writeBars(minuteBars(minute, 1_000));
    const [bars] = await history.exportParquet(join(folder, 'parquet'));
    const expected = (await history.query('SELECT * FROM bars ORDER BY symbol, windowStartMs')).rows;
    await history.close();
    const reader = await (await DuckDBInstance.create(':memory:')).connect();
    const read = await reader.runAndReadAll(`SELECT * FROM read_parquet('${bars?.file}')`);
    expect(read.getRowsJS().map((row) => row.map((value) => (typeof value === 'bigint' ? Number(value) : value)))).toEqual(expected);
  });
});

const barsPerBatch = 20;

function minuteBars(minute: number, count: number): BarBatch {
  const bars = new BarBatch();
  for (let i = 0; i < count; i++)
    bars.add(`S${String(i).padStart(6, '0')}`, minute * 60_000, (minute + 1) * 60_000, i + 0.1, i + 0.3, i, i + 0.2, 100, 100.1 * i, 3, 0);
  return bars;
}

const writerSource = (file: string, from: number) => `
  import { openDuckDbHistory } from ${JSON.stringify(new URL('../../../adapters/history/duckdb.ts', import.meta.url).href)};
  import { BarBatch } from ${JSON.stringify(new URL('../../../core/bar.ts', import.meta.url).href)};
  const history = await openDuckDbHistory(${JSON.stringify(file)});
  for (let batch = ${from}; ; batch++) {
    const bars = new BarBatch();
    for (let i = 0; i < ${barsPerBatch}; i++) bars.add('S' + i, batch * 60000, batch * 60000 + 60000, 1, 2, 0.5, 1.5, 10, 15, 1, 0);
    await history.writeBars(bars);
    console.log(batch + 1);
  }`;

function spawnWriter(file: string, from: number) {
  return spawn(process.execPath, ['--input-type=module', '-e', writerSource(file, from)], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** The number of batches whose write was awaited before the kill; starts one batch early, as a process does that repeats what it is not sure of. */
async function writeUntilKilled(file: string, { from, atLeast }: { from: number; atLeast: number }): Promise<number> {
  const writer = spawnWriter(file, Math.max(0, from - 1));
  let awaited = from;
  for await (const line of createInterface(writer.stdout)) {
    awaited = Number(line);
    if (awaited >= from + atLeast) writer.kill('SIGKILL');
  }
  return awaited;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
