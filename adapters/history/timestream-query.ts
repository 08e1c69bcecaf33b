import {
  CancelQueryCommand,
  type ColumnInfo,
  type Datum,
  QueryCommand,
  type Row,
  TimestreamQueryClient,
  type Type,
} from '@aws-sdk/client-timestream-query';
import { scalarOf, withCase } from './answer.ts';
import { type History, HistoryError, type QueryOptions, type QueryResult } from './history.ts';
import { checkReading } from './reading-sql.ts';
import { withTables } from './timestream-tables.ts';

export type TimestreamQueriesOptions = {
  readonly database: string;
  /** @default of the environment's account and region, or what AWS_ENDPOINT_URL names */
  readonly client?: TimestreamQueryClient;
};

const rowsMaxDefault = 1_000_000;
const pageRows = 1_000;

/** The tables of a deployment, by Timestream. */
export class TimestreamQueries implements Pick<History, 'query'> {
  readonly #database: string;
  readonly #client: TimestreamQueryClient;

  constructor({ database, client = makeClient() }: TimestreamQueriesOptions) {
    this.#database = database;
    this.#client = client;
  }

  /** When it is stopped, the query is cancelled over there too. @throws HistoryError `query-refused`, `query-failed` or `query-too-large` */
  async query(sql: string, { rowsMax = rowsMaxDefault, signal }: QueryOptions = {}): Promise<QueryResult> {
    checkReading(sql);
    const QueryString = withTables(sql, this.#database);
    const rows: unknown[][] = [];
    let columns: ColumnInfo[] = [];
    let queryId: string | undefined;
    let NextToken: string | undefined;
    try {
      do {
        const page = await this.#ask({ QueryString, MaxRows: pageRows, ...(NextToken && { NextToken }) }, signal);
        queryId = page.QueryId;
        // A page is empty while the query is still at work.
        if (page.ColumnInfo !== undefined) columns = page.ColumnInfo;
        for (const row of page.Rows ?? []) rows.push(cellsOf(row, columns));
        ({ NextToken } = page);
        if (rows.length > rowsMax) {
          if (NextToken !== undefined) await this.#cancel(queryId);
          throw new HistoryError('query-too-large', `the answer has more than ${rowsMax.toLocaleString('en')} rows: add a LIMIT`);
        }
      } while (NextToken !== undefined);
      return { columns: columns.map(({ Name = '', Type }) => ({ name: withCase(Name), type: typeOf(Type) })), rows };
    } catch (cause) {
      if (signal?.aborted) await this.#cancel(queryId);
      throw cause;
    }
  }

  async #ask(input: QueryCommand['input'], abortSignal: AbortSignal | undefined) {
    try {
      return await this.#client.send(new QueryCommand(input), abortSignal && { abortSignal });
    } catch (cause) {
      if (abortSignal?.aborted) throw new HistoryError('query-failed', 'the query was stopped', cause);
      if (!(cause instanceof Error)) throw cause;
      const isSql = cause.name === 'ValidationException' || cause.name === 'QueryExecutionException';
      throw new HistoryError('query-failed', isSql ? cause.message : `Timestream did not answer (${cause.name}): ${cause.message}`, cause);
    }
  }

  /** Before its first page a query has no name to cancel it by; it ends when nobody asks for the next. */
  async #cancel(QueryId: string | undefined): Promise<void> {
    if (QueryId === undefined) return;
    await this.#client.send(new CancelQueryCommand({ QueryId })).catch((cause: unknown) => {
      throw new HistoryError('query-failed', `the query ${QueryId} could not be stopped, and goes on at Timestream`, cause);
    });
  }
}

/** Told only by the general variables, the client would ask that endpoint where to go, and be sent to AWS. */
function makeClient(): TimestreamQueryClient {
  const endpoint = process.env['AWS_ENDPOINT_URL_TIMESTREAM_QUERY'] ?? process.env['AWS_ENDPOINT_URL'];
  return new TimestreamQueryClient(endpoint === undefined ? {} : { endpoint });
}

function cellsOf({ Data = [] }: Row, columns: readonly ColumnInfo[]): unknown[] {
  return columns.map(({ Type }, column) => cellOf(Data[column] ?? { NullValue: true }, Type));
}

function cellOf(datum: Datum, type: Type | undefined): unknown {
  if (datum.ScalarValue !== undefined) return scalarOf(datum.ScalarValue, typeOf(type));
  if (datum.ArrayValue !== undefined) return datum.ArrayValue.map((item) => cellOf(item, type?.ArrayColumnInfo?.Type));
  if (datum.RowValue !== undefined) {
    const columns = type?.RowColumnInfo ?? [];
    return Object.fromEntries(
      (datum.RowValue.Data ?? []).map((item, i) => [columns[i]?.Name ?? `field${i}`, cellOf(item, columns[i]?.Type)]),
    );
  }
  if (datum.TimeSeriesValue === undefined) return null;
  const valueType = type?.TimeSeriesMeasureValueColumnInfo?.Type;
  return datum.TimeSeriesValue.map(({ Time, Value }) => ({ time: Time, value: cellOf(Value ?? {}, valueType) }));
}

function typeOf(type: Type | undefined): string {
  if (type?.ScalarType !== undefined) return type.ScalarType;
  if (type?.ArrayColumnInfo !== undefined) return `ARRAY(${typeOf(type.ArrayColumnInfo.Type)})`;
  return type?.RowColumnInfo === undefined ? 'TIMESERIES' : 'ROW';
}
