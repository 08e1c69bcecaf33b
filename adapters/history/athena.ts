import {
  AthenaClient,
  type ColumnInfo,
  GetQueryExecutionCommand,
  GetQueryResultsCommand,
  type QueryExecution,
  type Row,
  StartQueryExecutionCommand,
  StopQueryExecutionCommand,
} from '@aws-sdk/client-athena';
import { setTimeout as delay } from 'node:timers/promises';
import { scalarOf, withCase } from './answer.ts';
import { type History, HistoryError, type QueryOptions, type QueryResult } from './history.ts';
import { checkReading } from './reading-sql.ts';

export type AthenaHistoryOptions = {
  readonly workGroup: string;
  readonly database: string;
  /** @default of the environment's account and region */
  readonly client?: AthenaClient;
};

const rowsMaxDefault = 1_000_000;
const pageRows = 1_000;
/** Asks again after this long, and then after half as long again each time. */
const pollFirstMs = 200;
const pollMaxMs = 5_000;

/** The tables of a deployment, by Athena. What a query reads is paid for: the workgroup cancels one that would read too much. */
export class AthenaHistory implements Pick<History, 'query'> {
  readonly #options: AthenaHistoryOptions;
  readonly #client: AthenaClient;

  constructor(options: AthenaHistoryOptions) {
    this.#options = options;
    this.#client = options.client ?? new AthenaClient();
  }

  /** When it is stopped, the query is cancelled over there too. @throws HistoryError `query-refused`, `query-failed` or `query-too-large` */
  async query(sql: string, { rowsMax = rowsMaxDefault, signal }: QueryOptions = {}): Promise<QueryResult> {
    checkReading(sql);
    const id = await this.#start(sql);
    try {
      const execution = await this.#finished(id, signal);
      return await this.#results(id, execution, rowsMax, signal);
    } catch (cause) {
      if (signal?.aborted) await this.#stop(id);
      throw cause;
    }
  }

  async #start(sql: string): Promise<string> {
    const { workGroup, database } = this.#options;
    const started = await asked(
      this.#client.send(
        new StartQueryExecutionCommand({ QueryString: sql, WorkGroup: workGroup, QueryExecutionContext: { Database: database } }),
      ),
    );
    return started.QueryExecutionId as string;
  }

  async #finished(QueryExecutionId: string, signal: AbortSignal | undefined): Promise<QueryExecution> {
    for (let waitMs = pollFirstMs; ; waitMs = Math.min(pollMaxMs, waitMs * 1.5)) {
      throwIfStopped(signal);
      const { QueryExecution = {} } = await asked(this.#client.send(new GetQueryExecutionCommand({ QueryExecutionId })));
      const { State, StateChangeReason, AthenaError } = QueryExecution.Status ?? {};
      if (State === 'SUCCEEDED') return QueryExecution;
      if (State === 'FAILED' || State === 'CANCELLED') {
        const reason = AthenaError?.ErrorMessage ?? StateChangeReason ?? 'no reason given';
        throw new HistoryError('query-failed', State === 'FAILED' ? reason : `Athena cancelled the query: ${reason}`);
      }
      // An abort ends the wait, and is seen above.
      await delay(waitMs, undefined, signal && { signal }).catch(() => undefined);
    }
  }

  async #results(
    QueryExecutionId: string,
    { StatementType }: QueryExecution,
    rowsMax: number,
    signal: AbortSignal | undefined,
  ): Promise<QueryResult> {
    const rows: unknown[][] = [];
    let columns: ColumnInfo[] | undefined;
    let NextToken: string | undefined;
    do {
      throwIfStopped(signal);
      const page = await asked(
        this.#client.send(new GetQueryResultsCommand({ QueryExecutionId, MaxResults: pageRows, ...(NextToken && { NextToken }) })),
      );
      const { ResultSetMetadata, Rows = [] } = page.ResultSet ?? {};
      const isFirst = columns === undefined;
      columns ??= ResultSetMetadata?.ColumnInfo ?? [];
      const behind = isFirst && StatementType === 'DML' && isHeader(Rows[0], columns) ? 1 : 0;
      for (const row of Rows.slice(behind)) rows.push(valuesOf(row, columns));
      if (rows.length > rowsMax) {
        throw new HistoryError('query-too-large', `the answer has more than ${rowsMax.toLocaleString('en')} rows: add a LIMIT`);
      }
      ({ NextToken } = page);
    } while (NextToken !== undefined);
    return { columns: columns.map(({ Name = '', Type }) => ({ name: withCase(Name), type: typeOf(Type) })), rows };
  }

  async #stop(QueryExecutionId: string): Promise<void> {
    await asked(this.#client.send(new StopQueryExecutionCommand({ QueryExecutionId }))).catch((cause: unknown) => {
      throw new HistoryError('query-failed', `the query ${QueryExecutionId} could not be stopped, and goes on at Athena`, cause);
    });
  }
}

/** What a SELECT answers begins with the names of its columns. */
function isHeader(row: Row | undefined, columns: readonly ColumnInfo[]): boolean {
  return columns.every(({ Name }, column) => row?.Data?.[column]?.VarCharValue === Name);
}

function valuesOf({ Data = [] }: Row, columns: readonly ColumnInfo[]): unknown[] {
  return columns.map(({ Type }, column) => {
    const text = Data[column]?.VarCharValue;
    return text === undefined ? null : scalarOf(text, typeOf(Type));
  });
}

function typeOf(type = ''): string {
  return type.toUpperCase();
}

function throwIfStopped(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new HistoryError('query-failed', 'the query was stopped');
}

/** @throws HistoryError in the service's words */
async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    if (cause instanceof HistoryError || !(cause instanceof Error)) throw cause;
    const isSql = cause.name === 'InvalidRequestException';
    throw new HistoryError('query-failed', isSql ? cause.message : `Athena did not answer (${cause.name}): ${cause.message}`, cause);
  }
}
