import {
  type DuckDBConnection,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBArrayValue,
  DuckDBMapValue,
  type DuckDBPreparedStatement,
  DuckDBStructValue,
  DuckDBUnionValue,
  type DuckDBValue,
  StatementType,
} from '@duckdb/node-api';
import { HistoryError, type QueryOptions, type QueryResult } from './history.ts';

const rowsMaxDefault = 1_000_000;

/** Answers one statement that only reads, in a transaction that cannot write. The connection is used up: give a fresh one. */
export async function readOnlyQuery(connection: DuckDBConnection, sql: string, options: QueryOptions = {}): Promise<QueryResult> {
  const { signal } = options;
  // Asked again and again: what DuckDB is asked between two of its steps, it forgets.
  let stopping: NodeJS.Timeout | undefined;
  const stop = () => {
    stopping = setInterval(() => connection.interrupt(), 20);
  };
  signal?.addEventListener('abort', stop);
  try {
    await connection.run('BEGIN TRANSACTION READ ONLY');
    const statement = await prepareReading(connection, sql);
    signal?.throwIfAborted();
    return await fetchAll(statement, options);
  } catch (cause) {
    if (cause instanceof HistoryError) throw cause;
    throw new HistoryError('query-failed', messageOf(cause), cause);
  } finally {
    signal?.removeEventListener('abort', stop);
    clearInterval(stopping);
  }
}

async function prepareReading(connection: DuckDBConnection, sql: string): Promise<DuckDBPreparedStatement> {
  if (sql.trim() === '') throw refused('the SQL is empty');
  const statements = await connection.extractStatements(sql).catch((cause: unknown) => {
    // DuckDB has no message of its own for a text that holds only comments.
    if (messageOf(cause) === 'Error in native callback') throw refused('the SQL holds no statement');
    throw cause;
  });
  if (statements.count !== 1) throw refused(`one statement at a time is answered, received ${statements.count}`);
  const statement = await statements.prepare(0);
  const { statementType } = statement;
  if (statementType !== StatementType.SELECT && statementType !== StatementType.EXPLAIN) {
    throw refused(
      `only statements that read are answered (SELECT, FROM, VALUES, DESCRIBE, SUMMARIZE, SHOW, EXPLAIN), received ${nameOf(statementType)}`,
    );
  }
  if (statement.parameterCount > 0) throw refused(`parameters cannot be given, received ${statement.parameterCount}`);
  return statement;
}

async function fetchAll(
  statement: DuckDBPreparedStatement,
  { rowsMax = rowsMaxDefault, charactersMax = Number.POSITIVE_INFINITY, signal }: QueryOptions,
): Promise<QueryResult> {
  const result = await statement.stream();
  const names = result.columnNames();
  const columns = result.columnTypes().map((type, column) => ({ name: names[column] as string, type: type.toString() }));
  const rows: unknown[][] = [];
  let characters = 0;
  for (;;) {
    if (signal?.aborted) throw new HistoryError('query-failed', 'the query was stopped');
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) return { columns, rows };
    if (rows.length + chunk.rowCount > rowsMax) throw tooLarge(rowsMax, 'rows');
    const more = chunk.getRows().map((row) => row.map(jsonSafe));
    if (charactersMax < Number.POSITIVE_INFINITY) characters += JSON.stringify(more).length;
    if (characters > charactersMax) throw tooLarge(charactersMax, 'characters');
    for (const row of more) rows.push(row);
  }
}

function tooLarge(most: number, what: string): HistoryError {
  return new HistoryError(
    'query-too-large',
    `the answer has more than ${most.toLocaleString('en')} ${what}: add a LIMIT, or take whole tables with --export-parquet`,
  );
}

/** Numbers stay numbers where float64 holds them exactly; what it cannot hold becomes the text that DuckDB shows. */
function jsonSafe(value: DuckDBValue): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (value instanceof DuckDBDecimalValue) return decimalSafe(value);
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) return value.items.map(jsonSafe);
  if (value instanceof DuckDBStructValue)
    return Object.fromEntries(Object.entries(value.entries).map(([name, entry]) => [name, jsonSafe(entry)]));
  if (value instanceof DuckDBMapValue)
    return value.entries.map(({ key, value: entry }) => ({ key: jsonSafe(key), value: jsonSafe(entry) }));
  if (value instanceof DuckDBUnionValue) return { [value.tag]: jsonSafe(value.value) };
  return String(value);
}

// Up to 15 digits a decimal and the float64 nearest to it name each other.
function decimalSafe(decimal: DuckDBDecimalValue): number | string {
  const digits = String(decimal.value).replace('-', '').length;
  return digits <= 15 ? Number(decimal.toString()) : decimal.toString();
}

function nameOf(statementType: number): string {
  const name = Object.entries(StatementType).find(([, value]) => value === statementType)?.[0] ?? 'another statement';
  return name.replaceAll('_', ' ');
}

function refused(message: string): HistoryError {
  return new HistoryError('query-refused', message);
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message.replace(/^Failed to extract statements: /, '') : String(cause);
}
