/** Columns as Glue has them: names in lower case, which the Parquet writer and Athena compare without case. */
type Column = { readonly name: string; readonly type: 'string' | 'bigint' | 'double' | 'array<string>' };

/**
 * Rows as they are delivered, repeats and revisions included, in the table `rows`; and the view `name` over them that shows the one which
 * stands of each key. The laptop's history is made the same way.
 */
export type HistoryTable = {
  readonly name: 'bars' | 'signals' | 'late' | 'trades' | 'quarantine';
  readonly rows: string;
  readonly columns: readonly Column[];
  readonly key: readonly string[];
  /** Which row of one key stands, where they can differ. */
  readonly stands?: string;
};

const lower = (name: string) => name.toLowerCase();
const texts = (...names: string[]): Column[] => names.map((name) => ({ name: lower(name), type: 'string' }));
const wholes = (...names: string[]): Column[] => names.map((name) => ({ name: lower(name), type: 'bigint' }));
const decimals = (...names: string[]): Column[] => names.map((name) => ({ name: lower(name), type: 'double' }));
const lists = (...names: string[]): Column[] => names.map((name) => ({ name: lower(name), type: 'array<string>' }));

export const barsTable: HistoryTable = {
  name: 'bars',
  rows: 'bar_rows',
  columns: [
    ...texts('symbol'),
    ...wholes('windowStartMs', 'windowEndMs'),
    ...decimals('open', 'high', 'low', 'close', 'volume'),
    ...wholes('tradeCount'),
    ...decimals('vwap'),
    ...wholes('rev'),
  ],
  key: ['symbol', 'windowstartms', 'windowendms'],
  stands: 'rev DESC',
};

export const signalsTable: HistoryTable = {
  name: 'signals',
  rows: 'signal_rows',
  columns: [
    ...texts('signalId', 'symbol', 'strategy', 'side', 'intent'),
    ...wholes('windowStartMs', 'windowEndMs'),
    ...decimals('price', 'confidence'),
    ...lists('reasons'),
  ],
  key: ['signalid'],
};

export const lateTable: HistoryTable = {
  name: 'late',
  rows: 'late_rows',
  columns: [
    ...texts('symbol'),
    ...wholes('eventTimeMs'),
    ...decimals('price', 'size'),
    ...wholes('windowStartMs', 'windowEndMs'),
    ...texts('reason'),
    ...wholes('lateByMs'),
    ...texts('position'),
  ],
  key: ['position', 'windowstartms', 'windowendms'],
};

export const tradesTable: HistoryTable = {
  name: 'trades',
  rows: 'trade_rows',
  columns: [
    ...texts('symbol'),
    ...wholes('eventTimeMs'),
    ...decimals('price', 'size'),
    ...texts('tradeId'),
    ...lists('conditions'),
    ...texts('entry'),
  ],
  // The name alone would do; with these, a query for a symbol or an hour reads no more than that.
  key: ['symbol', 'eventtimems', 'entry'],
};

/** Of the consumer's bucket, not of Firehose: an object for each tape record with bad input, so that nothing is there twice. */
export const quarantineTable: HistoryTable = {
  name: 'quarantine',
  rows: 'quarantine_rows',
  columns: texts('position', 'reason', 'sample'),
  key: ['position', 'reason'],
};

/** The days of arrival: Firehose writes by its own clock. */
export const partitionKey = 'arrivalday';

/** The SQL of a table's view. */
export function viewSql({ name, rows, columns, key, stands = key[0] }: HistoryTable): string {
  const shown = columns.map(({ name, type }) =>
    type === 'array<string>' ? `coalesce(${name}, CAST(ARRAY[] AS array(varchar))) AS ${name}` : name,
  );
  const derived = name === 'bars' ? [`${intervalSql} AS "interval"`] : [];
  const ranked = `SELECT *, row_number() OVER (PARTITION BY ${key.join(', ')} ORDER BY ${stands}) AS place FROM ${rows}`;
  return `SELECT ${[...shown, ...derived].join(', ')} FROM (${ranked}) WHERE place = 1`;
}

/** The columns of a table's view, as Athena's engine and as Glue name their types. */
export function viewColumns({
  name,
  columns,
}: HistoryTable): { readonly name: string; readonly type: string; readonly glueType: string }[] {
  const all = name === 'bars' ? [...columns, ...texts('interval')] : columns;
  return all.map(({ name, type }) => ({ name, type: engineTypes[type], glueType: type }));
}

const engineTypes: Record<Column['type'], string> = {
  string: 'varchar',
  bigint: 'bigint',
  double: 'double',
  'array<string>': 'array(varchar)',
};

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

function latest({ rows, key, stands = key[0] }: HistoryTable, where: string): string {
  const ranked = `SELECT *, row_number() OVER (PARTITION BY ${key.join(', ')} ORDER BY ${stands}) AS place FROM ${rows} WHERE ${where}`;
  return `WITH latest AS (SELECT * FROM (${ranked}) WHERE place = 1)`;
}

function lastDays(days: number): string {
  return `${partitionKey} >= date_format(current_date - interval '${days}' day, '%Y-%m-%d')`;
}
