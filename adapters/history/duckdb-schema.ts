import { BIGINT, DOUBLE, type DuckDBType, LIST, VARCHAR } from '@duckdb/node-api';
import { barsTable, type ColumnType, type HistoryTable, lateTable, quarantineTable, signalsTable } from '../../core/history-tables.ts';

/** Those that are only ever appended to. */
export const tables: readonly HistoryTable[] = [barsTable, signalsTable, lateTable, quarantineTable];

export const typeOf: Readonly<Record<ColumnType, DuckDBType>> = { text: VARCHAR, whole: BIGINT, decimal: DOUBLE, texts: LIST(VARCHAR) };

const intervalSql = `CASE
  WHEN windowEndMs = windowStartMs THEN '0ms'
  WHEN (windowEndMs - windowStartMs) % 86400000 = 0 THEN ((windowEndMs - windowStartMs) // 86400000) || 'd'
  WHEN (windowEndMs - windowStartMs) % 3600000 = 0 THEN ((windowEndMs - windowStartMs) // 3600000) || 'h'
  WHEN (windowEndMs - windowStartMs) % 60000 = 0 THEN ((windowEndMs - windowStartMs) // 60000) || 'm'
  WHEN (windowEndMs - windowStartMs) % 1000 = 0 THEN ((windowEndMs - windowStartMs) // 1000) || 's'
  ELSE (windowEndMs - windowStartMs) || 'ms' END`;

/** Raised when a file of an older version can no longer be read as it is. */
export const schemaVersion = 1;

/** Makes what is missing and leaves the rest alone. */
export function schemaSql(): string {
  const version = `CREATE TABLE IF NOT EXISTS history_version AS SELECT ${schemaVersion} AS version;`;
  return [version, ...tables.map(tableSql), ...tables.map(viewSql)].join('\n');
}

export function orderSql(table: HistoryTable): string {
  return table.order.map(quoted).join(', ');
}

export function columnsSql(table: HistoryTable): string {
  return table.columns.map(({ name }) => quoted(name)).join(', ');
}

function tableSql(table: HistoryTable): string {
  return `CREATE TABLE IF NOT EXISTS ${table.rows} (${table.columns.map(({ name, type }) => `${quoted(name)} ${typeOf[type]}`).join(', ')});`;
}

// No primary key: its index would be held in memory and make each append slower than the view makes a read.
function viewSql(table: HistoryTable): string {
  const columns = table === barsTable ? `${columnsSql(table)}, ${intervalSql} AS "interval"` : columnsSql(table);
  const window = `PARTITION BY ${table.key.map(quoted).join(', ')} ORDER BY ${table.revision === undefined ? 'rowid' : `${table.revision} DESC`}`;
  return `CREATE OR REPLACE VIEW ${table.name} AS SELECT ${columns} FROM ${table.rows} QUALIFY row_number() OVER (${window}) = 1;`;
}

function quoted(name: string): string {
  return `"${name}"`;
}
