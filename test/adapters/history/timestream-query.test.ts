import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TimestreamQueries } from '../../../adapters/history/timestream-query.ts';
import { withTables } from '../../../adapters/history/timestream-tables.ts';
import { barsTable, type HistoryTable, lateTable, quarantineTable, signalsTable, tradesTable } from '../../../core/history-tables.ts';
import { FakeTimestreamQuery } from './fake-timestream-query.ts';

let fake: FakeTimestreamQuery;
let history: TimestreamQueries;

beforeAll(async () => {
  fake = await FakeTimestreamQuery.start();
  history = new TimestreamQueries({ client: fake.client, database: 'Tapeline-history' });
});
afterAll(() => fake.stop());

const bigint = (Name: string) => ({ Name, Type: { ScalarType: 'BIGINT' as const } });
const rowOf = (...texts: string[]) => ({ Data: texts.map((ScalarValue) => ({ ScalarValue })) });

describe('a query on Timestream', () => {
  it('answers page by page, empty pages included, with JSON’s values', async () => {
    const columns = [
      { Name: 'symbol', Type: { ScalarType: 'VARCHAR' as const } },
      bigint('windowStartMs'),
      { Name: 'close', Type: { ScalarType: 'DOUBLE' as const } },
      { Name: 'list', Type: { ArrayColumnInfo: { Type: { ScalarType: 'BIGINT' as const } } } },
      { Name: 'row', Type: { RowColumnInfo: [{ Name: 'a', Type: { ScalarType: 'BOOLEAN' as const } }] } },
    ];
    const row = {
      Data: [
        { ScalarValue: 'IBM' },
        { ScalarValue: '1704205800000' },
        { NullValue: true },
        { ArrayValue: [{ ScalarValue: '1' }, { NullValue: true }] },
        { RowValue: { Data: [{ ScalarValue: 'true' }] } },
      ],
    };
    fake.answer({ columns, pages: [[], [row], [], [row]] });
    expect(await history.query('SELECT * FROM bars')).toEqual({
      columns: [
        { name: 'symbol', type: 'VARCHAR' },
        { name: 'windowStartMs', type: 'BIGINT' },
        { name: 'close', type: 'DOUBLE' },
        { name: 'list', type: 'ARRAY(BIGINT)' },
        { name: 'row', type: 'ROW' },
      ],
      rows: Array(2).fill(['IBM', 1_704_205_800_000, null, [1, null], { a: true }]),
    });
    expect(fake.calls.map(({ input }) => input['NextToken'])).toEqual([undefined, '1', '2', '3']);
  });

  it('refuses an answer with more rows than were asked for, and cancels the rest', async () => {
    fake.answer({ columns: [bigint('n')], pages: [[rowOf('1'), rowOf('2')], [rowOf('3')]] });
    await expect(history.query('SELECT 1', { rowsMax: 1 })).rejects.toMatchObject({ code: 'query-too-large' });
    expect(fake.calls.at(-1)).toEqual({ operation: 'CancelQuery', input: { QueryId: 'query-1' } });
  });

  it('is cancelled over there when it is stopped here', async () => {
    fake.answer({ columns: [bigint('n')], isEndless: true });
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    await expect(history.query('SELECT 1', { signal: stop.signal })).rejects.toThrow('the query was stopped');
    expect(fake.calls.at(-1)).toEqual({ operation: 'CancelQuery', input: { QueryId: 'query-1' } });
  });

  it.each([
    ['ValidationException', "line 1:8: Column 'clsoe' does not exist", "line 1:8: Column 'clsoe' does not exist"],
    ['AccessDeniedException', 'not you', 'Timestream did not answer (AccessDeniedException): not you'],
  ])('tells of %s', async (type, message, told) => {
    fake.answer({ error: { type, message } });
    await expect(history.query('SELECT clsoe FROM bars')).rejects.toMatchObject({ code: 'query-failed', message: told });
  });

  it('is not asked for what writes', async () => {
    fake.answer({});
    await expect(history.query('DELETE FROM bars')).rejects.toMatchObject({ code: 'query-refused' });
    expect(fake.calls).toEqual([]);
  });
});

describe('our tables in front of a query', () => {
  const tablesIn = (sql: string) => [...withTables(sql, 'db').matchAll(/(\w+) AS \(SELECT .* FROM "db"/g)].map(([, table]) => table);

  it.each<[string, string[]]>([
    ['SELECT * FROM bars', ['bars']],
    ["select * from BARS where symbol = 'x'", ['bars']],
    ['SELECT * FROM bars b JOIN trades t ON b.symbol = t.symbol', ['bars', 'trades']],
    ['SELECT * FROM bars, late', ['bars', 'late']],
    ['SELECT reason FROM quarantine', ['quarantine']],
    ['-- bars\nSELECT 1', []],
    ["SELECT 'bars'", []],
    ['SELECT * FROM "db"."bars"', []],
    ['SELECT * FROM mine.bars', []],
    ['WITH bars AS (SELECT 1 AS n) SELECT n FROM bars', []],
    ['WITH b AS (SELECT * FROM bars) SELECT * FROM b', ['bars']],
    ['EXPLAIN SELECT * FROM signals', ['signals']],
    ['SHOW TABLES FROM "db"', []],
  ])('for %j: %j', (sql, tables) => {
    expect(tablesIn(sql)).toEqual(tables);
  });

  it('come before those that the query makes itself', () => {
    expect(withTables('WITH b AS (SELECT * FROM late) SELECT * FROM b', 'db')).toMatch(
      /^WITH late AS \(SELECT .*\),\n b AS \(SELECT \* FROM late\) SELECT \* FROM b$/s,
    );
    expect(withTables('EXPLAIN SELECT * FROM late', 'db')).toMatch(/^EXPLAIN WITH late AS \(SELECT .*\)\nSELECT \* FROM late$/s);
  });

  it.each<[HistoryTable, string[]]>([
    [barsTable, ['interval', 'time']],
    [signalsTable, ['time']],
    [lateTable, ['time']],
    [tradesTable, ['time']],
    [quarantineTable, ['time']],
  ])('have the columns of the laptop in their order, and the time: $0.name', ({ name: table, columns: ours }, more) => {
    const [, list = ''] = new RegExp(`${table} AS \\(SELECT (.*) FROM "db"`).exec(withTables(`SELECT * FROM ${table}`, 'db')) ?? [];
    const columns = list.split(/, (?![^(]*\))/).map((column) => (column.split(' AS ').at(-1) as string).replaceAll('"', ''));
    expect(columns).toEqual([...ours.map(({ name }) => name), ...more]);
  });
});
