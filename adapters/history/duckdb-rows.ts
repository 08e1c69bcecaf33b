import { BIGINT, type DuckDBConnection, DuckDBDataChunk, DuckDBListValue, DuckDBListVector, type DuckDBValue } from '@duckdb/node-api';
import type { HistoryTable } from '../../core/history-tables.ts';
import { typeOf } from './duckdb-schema.ts';

/** What can be in a cell of our tables; whole numbers travel as numbers. */
export type Cell = string | number | null | readonly string[];

type Row = Readonly<Record<string, Cell>>;

const chunkRowsMax = 2048;

/** Appends rows to a table, column by column, in the transaction of the connection. A row has a property for each column. */
export async function appendRows(connection: DuckDBConnection, table: HistoryTable, rows: readonly object[]): Promise<void> {
  const types = table.columns.map(({ type }) => typeOf[type]);
  const appender = await connection.createAppender(table.rows);
  try {
    for (let from = 0; from < rows.length; from += chunkRowsMax) {
      const chunk = DuckDBDataChunk.create(types, Math.min(chunkRowsMax, rows.length - from));
      for (const [column, { name }] of table.columns.entries()) fillColumn(chunk, column, name, rows, from);
      appender.appendDataChunk(chunk);
    }
  } finally {
    appender.closeSync();
  }
}

/** The rows of a query as they come, a chunk at a time. Whole numbers come as numbers. */
export async function* readRows(connection: DuckDBConnection, sql: string): AsyncGenerator<Cell[]> {
  const result = await connection.stream(sql);
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) return;
    const columns = Array.from({ length: chunk.columnCount }, (_, column) => chunk.getColumnValues(column));
    for (let row = 0; row < chunk.rowCount; row++) yield columns.map((values) => cellOf(values[row] as DuckDBValue));
  }
}

/** Fills one column of a chunk with the property `name` of as many rows as it has room for. */
export function fillColumn(chunk: DuckDBDataChunk, column: number, name: string, rows: readonly object[], from = 0): void {
  const vector = chunk.getColumnVector(column);
  const isWhole = vector.type === BIGINT;
  const isList = vector instanceof DuckDBListVector;
  const { rowCount } = chunk;
  for (let row = 0; row < rowCount; row++) {
    const cell = (rows[from + row] as Row)[name] as Cell;
    if (isWhole) vector.setItem(row, BigInt(cell as number));
    else if (isList) vector.setItem(row, new DuckDBListValue(cell as readonly string[]));
    else vector.setItem(row, cell as string | number | null);
  }
  vector.flush();
}

function cellOf(value: DuckDBValue): Cell {
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof DuckDBListValue) return value.items as string[];
  return value as string | number | null;
}
