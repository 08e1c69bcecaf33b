import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDuckDbHistory } from '../../../adapters/history/duckdb.ts';
import { SqliteTape } from '../../../adapters/tape/sqlite-tape.ts';
import type { Trade } from '../../../core/trade.ts';
import { aheadMaxMs, arrivalTimeMs, markets, tapeOf } from '../../core/support/market.ts';
import { tries } from '../../tries.ts';

const bucketCount = 3;
let root = '';
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'tapeline-trades-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('the table of trades on a laptop', () => {
  it('is what the tape holds, trade by trade, each under a name of its own, without those that were ahead when they were read', async () => {
    await fc.assert(
      fc.asyncProperty(markets, async (trades) => {
        const { folder, tape } = tapeFolder(trades);
        const columns = 'symbol, eventTimeMs, price, size, tradeId, conditions';
        const { rows } = await answerIn(folder, `SELECT ${columns} FROM trades`);
        const notAhead = trades.filter(({ eventTimeMs }) => eventTimeMs <= arrivalTimeMs + aheadMaxMs);
        expect(sorted(rows)).toEqual(sorted(notAhead.map(rowOf)));
        const [counts] = (await answerIn(folder, 'SELECT count(*), count(DISTINCT entry), sum(size) FROM trades')).rows;
        expect(counts?.slice(0, 2)).toEqual([notAhead.length, notAhead.length]);
        tape.close();
      }),
      { numRuns: tries(15) },
    );
  });

  it('goes on with the tape, and is none where there is no tape', async () => {
    const { folder, tape } = tapeFolder(many(3_000));
    const counted = async () => (await answerIn(folder, 'SELECT count(*) FROM trades')).rows;
    expect(await counted()).toEqual([[3_000]]);
    append(tape, many(5));
    expect(await counted()).toEqual([[3_005]]);
    tape.close();
    expect((await answerIn(mkdtempSync(join(root, 'none-')), 'SELECT * FROM trades')).rows).toEqual([]);
  });

  it('joins the bars, ends where a query has enough, and is in an export', async () => {
    const { folder, tape } = tapeFolder(many(5_000));
    const sql = 'SELECT t.symbol, count(*) FROM trades t LEFT JOIN bars b ON b.symbol = t.symbol GROUP BY ALL';
    expect((await answerIn(folder, sql)).rows).toEqual([['IBM', 5_000]]);
    expect((await answerIn(folder, 'SELECT price FROM trades LIMIT 2')).rows).toHaveLength(2);
    const history = await openDuckDbHistory(join(folder, 'history.duckdb'), { tape: join(folder, 'tape.sqlite') });
    const exported = await history.exportParquet(join(folder, 'parquet'));
    expect(exported.at(-1)).toEqual({ table: 'trades', file: join(folder, 'parquet', 'trades.parquet'), rows: 5_000 });
    await history.close();
    tape.close();
  });

  it('says so when the tape cannot be read, and the other tables can', async () => {
    const folder = mkdtempSync(join(root, 'broken-'));
    writeFileSync(join(folder, 'tape.sqlite'), 'this is no tape at all'.repeat(100));
    await expect(answerIn(folder, 'SELECT * FROM trades')).rejects.toMatchObject({
      code: 'query-failed',
      message: expect.stringContaining('cannot be read: file is not a database'),
    });
    expect((await answerIn(folder, 'SELECT count(*) FROM bars')).rows).toEqual([[0]]);
  });
});

async function answerIn(folder: string, sql: string) {
  const history = await openDuckDbHistory(join(folder, 'history.duckdb'), { tape: join(folder, 'tape.sqlite') });
  try {
    return await history.query(sql);
  } finally {
    await history.close();
  }
}

function tapeFolder(trades: readonly Trade[]): { folder: string; tape: SqliteTape } {
  const folder = mkdtempSync(join(root, 'case-'));
  const tape = new SqliteTape(join(folder, 'tape.sqlite'));
  append(tape, trades);
  return { folder, tape };
}

function append(tape: SqliteTape, trades: readonly Trade[]): void {
  const records = tapeOf(trades, { bucketCount, entriesMax: 100 });
  const rows = records.map(({ partitionKey, arrivalTimeMs, data }) => ({ shardId: 'shard-0', partitionKey, arrivalTimeMs, data }));
  tape.append(rows, [], []);
}

function many(count: number): Trade[] {
  return Array.from({ length: count }, (_, i) => ({ symbol: 'IBM', eventTimeMs: 1_704_205_800_000 + i, price: 100 + i / 100, size: 1 }));
}

function rowOf({ symbol, eventTimeMs, price, size, tradeId, conditions = [] }: Trade): unknown[] {
  return [symbol, eventTimeMs, price, size, tradeId ?? null, conditions];
}

function sorted(rows: readonly unknown[]): string[] {
  return rows.map((row) => JSON.stringify(row)).sort();
}
