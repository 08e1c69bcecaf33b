/** Columns as Glue has them: names in lower case, which the Parquet writer and Athena compare without case. */
type Column = { readonly name: string; readonly type: 'string' | 'bigint' | 'double' };

export type HistoryTable = { readonly name: 'bars' | 'late'; readonly columns: readonly Column[] };

const texts = (...names: string[]): Column[] => names.map((name) => ({ name: name.toLowerCase(), type: 'string' }));
const wholes = (...names: string[]): Column[] => names.map((name) => ({ name: name.toLowerCase(), type: 'bigint' }));
const decimals = (...names: string[]): Column[] => names.map((name) => ({ name: name.toLowerCase(), type: 'double' }));

export const barsTable: HistoryTable = {
  name: 'bars',
  columns: [
    ...texts('symbol'),
    ...wholes('windowStartMs', 'windowEndMs'),
    ...decimals('open', 'high', 'low', 'close', 'volume'),
    ...wholes('tradeCount'),
    ...decimals('vwap'),
    ...wholes('rev'),
  ],
};

export const lateTable: HistoryTable = {
  name: 'late',
  columns: [
    ...texts('symbol'),
    ...wholes('eventTimeMs'),
    ...decimals('price', 'size'),
    ...wholes('windowStartMs', 'windowEndMs'),
    ...texts('reason'),
    ...wholes('lateByMs'),
    ...texts('position'),
  ],
};

/** The days of arrival: Firehose writes by its own clock. */
export const partitionKey = 'arrivalday';

export type HistoryQuery = { readonly name: string; readonly description: string; readonly sql: string };

/** Firehose may write a record more than once, and a revised bar comes again with a higher rev: one row of each key stands. */
export const queries: readonly HistoryQuery[] = [
  {
    name: 'bars-of-a-symbol',
    description: 'The final bars of one symbol in the last seven days, oldest first',
    sql: `${latest('bars', ['symbol', 'windowstartms', 'windowendms'], 'rev DESC', `symbol = 'IBM' AND ${lastDays(7)}`)}
SELECT symbol, from_unixtime(windowstartms / 1e3) AS windowstart, (windowendms - windowstartms) / 1000 AS windowsec,
  open, high, low, close, volume, tradecount, vwap, rev
FROM latest ORDER BY windowendms - windowstartms, windowstartms`,
  },
  {
    name: 'volume-by-symbol',
    description: 'Volume and trades by symbol in bars of one minute that arrived today, largest first',
    sql: `${latest('bars', ['symbol', 'windowstartms', 'windowendms'], 'rev DESC', `windowendms - windowstartms = 60000 AND ${lastDays(0)}`)}
SELECT symbol, sum(volume) AS volume, sum(tradecount) AS tradecount FROM latest GROUP BY symbol ORDER BY volume DESC LIMIT 100`,
  },
  {
    name: 'late-by-symbol',
    description: 'Trades that came too late for their bar in the last seven days: how many, and how late',
    sql: `${latest('late', ['position', 'windowstartms', 'windowendms'], 'lateByMs', lastDays(7))}
SELECT symbol, count(*) AS late, approx_percentile(latebyms, 0.5) AS latebymedianms, max(latebyms) AS latebymaxms
FROM latest GROUP BY symbol ORDER BY late DESC`,
  },
];

function latest(table: string, key: readonly string[], stands: string, where: string): string {
  const ranked = `SELECT *, row_number() OVER (PARTITION BY ${key.join(', ')} ORDER BY ${stands}) AS place FROM ${table} WHERE ${where}`;
  return `WITH latest AS (SELECT * FROM (${ranked}) WHERE place = 1)`;
}

function lastDays(days: number): string {
  return `${partitionKey} >= date_format(current_date - interval '${days}' day, '%Y-%m-%d')`;
}
