import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withCase } from '../../../adapters/history/answer.ts';
import { AthenaHistory } from '../../../adapters/history/athena.ts';
import { FakeAthena } from './fake-athena.ts';

let fake: FakeAthena;
let history: AthenaHistory;

beforeAll(async () => {
  fake = await FakeAthena.start();
  history = new AthenaHistory({ client: fake.client, workGroup: 'Tapeline-history', database: 'tapeline_history' });
});
afterAll(() => fake.stop());

describe('a query on Athena', () => {
  it('is asked about until it is over, and answers with our names and JSON’s values', async () => {
    fake.answer({
      states: ['QUEUED', 'RUNNING', 'SUCCEEDED'],
      columns: [
        { Name: 'symbol', Type: 'varchar' },
        { Name: 'windowstartms', Type: 'bigint' },
        { Name: 'close', Type: 'double' },
        { Name: 'n', Type: 'decimal(10,2)' },
        { Name: 'ok', Type: 'boolean' },
        { Name: 'reasons', Type: 'array' },
      ],
      rows: [
        ['IBM', '1704205800000', '181.85', '12.50', 'true', '[a, b]'],
        [undefined, '9223372036854775807', 'NaN', undefined, 'false', undefined],
      ],
    });
    expect(await history.query('SELECT * FROM bars')).toEqual({
      columns: [
        { name: 'symbol', type: 'VARCHAR' },
        { name: 'windowStartMs', type: 'BIGINT' },
        { name: 'close', type: 'DOUBLE' },
        { name: 'n', type: 'DECIMAL(10,2)' },
        { name: 'ok', type: 'BOOLEAN' },
        { name: 'reasons', type: 'ARRAY' },
      ],
      rows: [
        ['IBM', 1_704_205_800_000, 181.85, 12.5, true, '[a, b]'],
        [null, '9223372036854775807', 'NaN', null, false, null],
      ],
    });
    expect(fake.operations).toEqual(['StartQueryExecution', ...Array(3).fill('GetQueryExecution'), 'GetQueryResults']);
    expect(fake.calls[0]?.input).toMatchObject({
      QueryString: 'SELECT * FROM bars',
      WorkGroup: 'Tapeline-history',
      QueryExecutionContext: { Database: 'tapeline_history' },
    });
  });

  it('answers page by page, without the row of names', async () => {
    const rows = Array.from({ length: 2_500 }, (_, i) => [String(i)]);
    fake.answer({ columns: [{ Name: 'n', Type: 'integer' }], rows });
    expect((await history.query('SELECT n FROM t')).rows).toEqual(rows.map(([n]) => [Number(n)]));
    expect(fake.operations.filter((operation) => operation === 'GetQueryResults')).toHaveLength(3);
  });

  it('keeps the first row of an answer that has no row of names', async () => {
    fake.answer({ statementType: 'UTILITY', columns: [{ Name: 'tab_name', Type: 'string' }], rows: [['bars'], ['trades']] });
    expect((await history.query('SHOW TABLES')).rows).toEqual([['bars'], ['trades']]);
  });

  it('refuses an answer with more rows than were asked for', async () => {
    fake.answer({ columns: [{ Name: 'n', Type: 'integer' }], rows: Array.from({ length: 1_500 }, () => ['1']) });
    await expect(history.query('SELECT n FROM t', { rowsMax: 1_200 })).rejects.toMatchObject({ code: 'query-too-large' });
    expect((await history.query('SELECT n FROM t', { rowsMax: 1_500 })).rows).toHaveLength(1_500);
  });

  it('tells what Athena says of wrong SQL, before it runs and while it runs', async () => {
    fake.answer({});
    await expect(history.query('SHOW SELEC 1')).rejects.toMatchObject({
      code: 'query-failed',
      message: "line 1:1: mismatched input 'SELEC'",
    });
    fake.answer({ states: ['RUNNING', 'FAILED'], reason: "COLUMN_NOT_FOUND: line 1:8: Column 'clsoe' cannot be resolved" });
    await expect(history.query('SELECT clsoe FROM bars')).rejects.toMatchObject({
      code: 'query-failed',
      message: expect.stringContaining("'clsoe'"),
    });
    fake.answer({ states: ['CANCELLED'], reason: 'Bytes scanned limit was exceeded' });
    await expect(history.query('SELECT 1')).rejects.toThrow('Athena cancelled the query: Bytes scanned limit was exceeded');
  });

  it('is stopped over there when it is stopped here', async () => {
    fake.answer({ states: ['RUNNING'] });
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    await expect(history.query('SELECT 1', { signal: stop.signal })).rejects.toThrow('the query was stopped');
    expect(fake.operations.at(-1)).toBe('StopQueryExecution');
    expect(fake.calls.at(-1)?.input).toEqual({ QueryExecutionId: 'query-1' });
  });

  it.each([
    'DELETE FROM bar_rows',
    'insert into bars values (1)',
    '-- SELECT\nDROP TABLE bars',
    "/* SELECT */ UNLOAD (SELECT 1) TO 's3://x'",
    '',
    '-- nothing',
  ])('is not asked for %j', async (sql) => {
    fake.answer({});
    await expect(history.query(sql)).rejects.toMatchObject({ name: 'HistoryError', code: 'query-refused' });
    expect(fake.calls).toEqual([]);
  });
});

describe('names that an engine has made small', () => {
  it.each(['windowStartMs', 'tradeCount', 'lateByMs', 'tradeId', 'symbol', 'interval', 'n'])('are ours again: %s', (name) => {
    expect(withCase(name.toLowerCase())).toBe(name);
  });
});
