import { BIGINT, DOUBLE, type DuckDBType, LIST, VARCHAR } from '@duckdb/node-api';

export type Column = { readonly name: string; readonly type: DuckDBType };

/** A table that is only ever appended to, and the view over it that shows the row which stands of each key. */
export type Table = {
  readonly rows: string;
  readonly view: string;
  readonly columns: readonly Column[];
  readonly key: readonly string[];
  /** The order of the rows in an export. */
  readonly order: readonly string[];
  /** Which row of one key stands, where they can differ. */
  readonly stands?: string;
  /** Columns of the view that follow from the others. */
  readonly derived?: string;
};

const texts = (...names: string[]): Column[] => names.map((name) => ({ name, type: VARCHAR }));
const wholes = (...names: string[]): Column[] => names.map((name) => ({ name, type: BIGINT }));
const decimals = (...names: string[]): Column[] => names.map((name) => ({ name, type: DOUBLE }));

const intervalSql = `CASE
  WHEN windowEndMs = windowStartMs THEN '0ms'
  WHEN (windowEndMs - windowStartMs) % 86400000 = 0 THEN ((windowEndMs - windowStartMs) // 86400000) || 'd'
  WHEN (windowEndMs - windowStartMs) % 3600000 = 0 THEN ((windowEndMs - windowStartMs) // 3600000) || 'h'
  WHEN (windowEndMs - windowStartMs) % 60000 = 0 THEN ((windowEndMs - windowStartMs) // 60000) || 'm'
  WHEN (windowEndMs - windowStartMs) % 1000 = 0 THEN ((windowEndMs - windowStartMs) // 1000) || 's'
  ELSE (windowEndMs - windowStartMs) || 'ms' END`;

export const barTable: Table = {
  rows: 'bar_rows',
  view: 'bars',
  columns: [
    ...texts('symbol'),
    ...wholes('windowStartMs', 'windowEndMs'),
    ...decimals('open', 'high', 'low', 'close', 'volume'),
    ...wholes('tradeCount'),
    ...decimals('vwap'),
    ...wholes('rev'),
  ],
  key: ['symbol', 'windowStartMs', 'windowEndMs'],
  order: ['symbol', 'windowStartMs', 'windowEndMs'],
  stands: 'rev DESC',
  derived: `${intervalSql} AS "interval"`,
};

export const signalTable: Table = {
  rows: 'signal_rows',
  view: 'signals',
  columns: [
    ...texts('signalId', 'symbol', 'strategy', 'side', 'intent'),
    ...wholes('windowStartMs', 'windowEndMs'),
    ...decimals('price', 'confidence'),
    { name: 'reasons', type: LIST(VARCHAR) },
  ],
  key: ['signalId'],
  order: ['symbol', 'windowStartMs', 'windowEndMs', 'strategy', 'signalId'],
};

export const lateTable: Table = {
  rows: 'late_rows',
  view: 'late',
  columns: [
    ...texts('symbol'),
    ...wholes('eventTimeMs'),
    ...decimals('price', 'size'),
    ...wholes('windowStartMs', 'windowEndMs'),
    ...texts('reason'),
    ...wholes('lateByMs'),
    ...texts('position'),
  ],
  key: ['position', 'windowStartMs', 'windowEndMs'],
  order: ['symbol', 'windowStartMs', 'windowEndMs', 'position'],
};

export const quarantineTable: Table = {
  rows: 'quarantine_rows',
  view: 'quarantine',
  columns: texts('position', 'reason', 'sample'),
  key: ['position', 'reason'],
  order: ['position', 'reason'],
};

export const tables: readonly Table[] = [barTable, signalTable, lateTable, quarantineTable];

/** Raised when a file of an older version can no longer be read as it is. */
export const schemaVersion = 1;

/** Makes what is missing and leaves the rest alone. */
export function schemaSql(): string {
  const version = `CREATE TABLE IF NOT EXISTS history_version AS SELECT ${schemaVersion} AS version;`;
  return [version, ...tables.map(tableSql), ...tables.map(viewSql)].join('\n');
}

export function orderSql(table: Table): string {
  return table.order.map(quoted).join(', ');
}

export function columnsSql(table: Table): string {
  return table.columns.map(({ name }) => quoted(name)).join(', ');
}

function tableSql(table: Table): string {
  return `CREATE TABLE IF NOT EXISTS ${table.rows} (${table.columns.map(({ name, type }) => `${quoted(name)} ${type}`).join(', ')});`;
}

// No primary key: its index would be held in memory and make each append slower than the view makes a read.
function viewSql(table: Table): string {
  const columns = table.derived === undefined ? columnsSql(table) : `${columnsSql(table)}, ${table.derived}`;
  const window = `PARTITION BY ${table.key.map(quoted).join(', ')} ORDER BY ${table.stands ?? 'rowid'}`;
  return `CREATE OR REPLACE VIEW ${table.view} AS SELECT ${columns} FROM ${table.rows} QUALIFY row_number() OVER (${window}) = 1;`;
}

function quoted(name: string): string {
  return `"${name}"`;
}
