import { withoutComments } from './reading-sql.ts';
import type { TimestreamTable } from './timestream-rows.ts';

/**
 * What each table is in Timestream: the columns that it has on the laptop, in their order, and behind them `time`, by which a query is bounded
 * cheaply. Grouped where a repeat is a row of its own.
 */
const tables: Readonly<Record<TimestreamTable, { readonly columns: string; readonly group?: string }>> = {
  bars: {
    columns:
      'symbol, to_milliseconds(time) AS "windowStartMs", "windowEndMs", open, high, low, close, volume, "tradeCount", vwap, rev, "interval", time',
  },
  signals: {
    columns:
      '"signalId", symbol, strategy, side, intent, "windowStartMs", to_milliseconds(time) AS "windowEndMs", price, confidence, reasons, time',
  },
  late: {
    columns:
      'symbol, to_milliseconds(time) AS "eventTimeMs", price, size, "windowStartMs", "windowEndMs", reason, "lateByMs", position, time',
  },
  trades: {
    columns: `symbol, to_milliseconds(time) AS "eventTimeMs", price, size, "tradeId", coalesce(conditions, '[]') AS conditions, entry, time`,
  },
  quarantine: {
    columns: `position, reason, coalesce(min_by(sample, time), '') AS sample, min(time) AS time`,
    group: ' GROUP BY position, reason',
  },
};

/**
 * The query with our tables in front of it: Timestream has no views, and knows a table only by its database. A table that the query makes itself
 * stays its own; one that it names with its database is the stored one.
 */
export function withTables(sql: string, database: string): string {
  const plain = withoutComments(sql);
  const [head = '', explain = '', begin = ''] = /^\s*(EXPLAIN\s+)?(SELECT|WITH(?:\s+RECURSIVE)?)\b/i.exec(plain) ?? [];
  if (head === '') return sql;
  const meant = Object.entries(tables).filter(([table]) => isMeant(table, plain));
  if (meant.length === 0) return sql;
  const made = meant
    .map(([table, { columns, group = '' }]) => `${table} AS (SELECT ${columns} FROM "${database}"."${table}"${group})`)
    .join(',\n');
  const rest = plain.slice(head.length);
  return /^WITH/i.test(begin) ? `${explain}${begin} ${made},\n${rest}` : `${explain}WITH ${made}\nSELECT${rest}`;
}

function isMeant(table: string, sql: string): boolean {
  const outside = sql.replace(/'(?:[^']|'')*'/g, "''");
  const isNamed = new RegExp(`(?<![.\\w"])"?${table}"?(?!\\w)`, 'i').test(outside);
  return isNamed && !new RegExp(`(?<!\\w)"?${table}"?\\s+AS\\s*\\(`, 'i').test(outside);
}
