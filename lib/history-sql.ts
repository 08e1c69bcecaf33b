import {
  barsTable,
  type ColumnType,
  type HistoryColumn,
  type HistoryTable,
  lateTable,
  signalsTable,
  tradesTable,
} from '../core/history-tables.ts';

/** The days of arrival: Firehose writes by its own clock. */
export const partitionKey = 'arrivalday';

type Naming = 'glue' | 'engine';

const types: Readonly<Record<ColumnType, Readonly<Record<Naming, string>>>> = {
  text: { glue: 'string', engine: 'varchar' },
  whole: { glue: 'bigint', engine: 'bigint' },
  decimal: { glue: 'double', engine: 'double' },
  texts: { glue: 'array<string>', engine: 'array(varchar)' },
};

/** Columns in lower case, which the Parquet writer and Athena compare without case; their types as Glue or as Athena's engine names them. */
export function columnsOf(columns: readonly HistoryColumn[], naming: Naming): { name: string; type: string }[] {
  return columns.map(({ name, type }) => ({ name: name.toLowerCase(), type: types[type][naming] }));
}

export function viewColumnsOf(table: HistoryTable, naming: Naming): { name: string; type: string }[] {
  return columnsOf(table === barsTable ? [...table.columns, { name: 'interval', type: 'text' }] : table.columns, naming);
}

/** The SQL of a table's view. */
export function viewSql(table: HistoryTable): string {
  const shown = table.columns.map(({ name, type }) => {
    const column = name.toLowerCase();
    return type === 'texts' ? `coalesce(${column}, CAST(ARRAY[] AS array(varchar))) AS ${column}` : column;
  });
  const derived = table === barsTable ? [`${intervalSql} AS "interval"`] : [];
  return `SELECT ${[...shown, ...derived].join(', ')} FROM (${rankedSql(table)}) WHERE place = 1`;
}

const lengthSql = '(windowendms - windowstartms)';
const units: readonly [string, number][] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
];
const inUnitsSql = units.map(([unit, ms]) => `WHEN ${lengthSql} % ${ms} = 0 THEN CAST(${lengthSql} / ${ms} AS varchar) || '${unit}'`);
const intervalSql = `CASE WHEN ${lengthSql} = 0 THEN '0ms' ${inUnitsSql.join(' ')} ELSE CAST(${lengthSql} AS varchar) || 'ms' END`;

export type HistoryQuery = { readonly name: string; readonly description: string; readonly sql: string };

/** They read the rows of some days alone, and so of the files only those; a view over all days finds the same and reads more. */
export const queries: readonly HistoryQuery[] = [
  {
    name: 'bars-of-a-symbol',
    description: 'The final bars of one symbol in the last seven days, oldest first',
    sql: `${latest(barsTable, `symbol = 'IBM' AND ${lastDays(7)}`)}
SELECT symbol, from_unixtime(windowstartms / 1e3) AS windowstart, (windowendms - windowstartms) / 1000 AS windowsec,
  open, high, low, close, volume, tradecount, vwap, rev
FROM latest ORDER BY windowendms - windowstartms, windowstartms`,
  },
  {
    name: 'volume-by-symbol',
    description: 'Volume and trades by symbol in bars of one minute that arrived today, largest first',
    sql: `${latest(barsTable, `windowendms - windowstartms = 60000 AND ${lastDays(0)}`)}
SELECT symbol, sum(volume) AS volume, sum(tradecount) AS tradecount FROM latest GROUP BY symbol ORDER BY volume DESC LIMIT 100`,
  },
  {
    name: 'signals-by-strategy',
    description: 'What each strategy said in the last seven days, and how sure it was',
    sql: `${latest(signalsTable, lastDays(7))}
SELECT strategy, side, count(*) AS signals, avg(confidence) AS confidence FROM latest GROUP BY strategy, side ORDER BY strategy, side`,
  },
  {
    name: 'trades-of-a-symbol',
    description: 'Every trade of one symbol that arrived today, in order of event time',
    sql: `${latest(tradesTable, `symbol = 'IBM' AND ${lastDays(0)}`)}
SELECT from_unixtime(eventtimems / 1e3) AS eventtime, price, size, tradeid, conditions, entry FROM latest ORDER BY eventtimems, entry`,
  },
  {
    name: 'late-by-symbol',
    description: 'Trades that came too late for their bar in the last seven days: how many, and how late',
    sql: `${latest(lateTable, lastDays(7))}
SELECT symbol, count(*) AS late, approx_percentile(latebyms, 0.5) AS latebymedianms, max(latebyms) AS latebymaxms
FROM latest GROUP BY symbol ORDER BY late DESC`,
  },
];

function latest(table: HistoryTable, where: string): string {
  return `WITH latest AS (SELECT * FROM (${rankedSql(table)} WHERE ${where}) WHERE place = 1)`;
}

/** In the place 1, the row of its key that stands. */
function rankedSql({ rows, key, revision }: HistoryTable): string {
  const names = key.map((name) => name.toLowerCase());
  const order = revision === undefined ? names[0] : `${revision} DESC`;
  return `SELECT *, row_number() OVER (PARTITION BY ${names.join(', ')} ORDER BY ${order}) AS place FROM ${rows}`;
}

function lastDays(days: number): string {
  return `${partitionKey} >= date_format(current_date - interval '${days}' day, '%Y-%m-%d')`;
}
