import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { openDuckDbHistory } from '../adapters/history/duckdb.ts';
import { type ExportedTable, type History, HistoryError, type QueryResult } from '../adapters/history/history.ts';
import { nearestOf } from '../core/nearest.ts';
import { explain } from './exit.ts';
import type { CloudHistory } from './query-cloud.ts';
import { askServer, type QueryRequest } from './query-socket.ts';
import { formatCsv, formatTable } from './query-table.ts';
import { historyPath, tapePath } from './state-folder.ts';

export { serveQueries } from './query-socket.ts';
export { formatCsv, formatTable } from './query-table.ts';

export type QueryCommandOptions = {
  /** @default '.tapeline' */
  readonly state?: string;
  /** Whom to ask. @default 'local' */
  readonly on?: string;
  /** The deployment that is asked. @default 'Tapeline' */
  readonly stack?: string;
  /** Its history's database. @default as the stack says */
  readonly database?: string;
  /** Athena's workgroup. @default as the stack says */
  readonly workGroup?: string;
  readonly sql?: string;
  /** Writes every table to this folder instead of a query. */
  readonly exportParquet?: string;
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
};

/** Answers a query, or exports the tables, and prints what came. Returns the exit code. */
export async function queryCommand(options: QueryCommandOptions): Promise<number> {
  const { stderr, signal } = options;
  const stateFolder = options.state ?? '.tapeline';
  const fault = faultOf(options);
  if (fault !== undefined) {
    stderr.write(`tapeline query: ${fault}\n`);
    return 2;
  }
  try {
    const text =
      options.exportParquet === undefined
        ? formatted(await answerOf(options, stateFolder), options)
        : formattedExport(await runExport({ stateFolder, folder: options.exportParquet }), options);
    await written(options.stdout, text);
    return 0;
  } catch (cause) {
    // The reader has seen enough, which ends the command as Ctrl-C does.
    if ((cause as NodeJS.ErrnoException).code === 'EPIPE') return 0;
    if (signal?.aborted) return 130;
    const { message, exitCode } = explain(cause);
    stderr.write(`tapeline query: ${message}\n`);
    return exitCode;
  }
}

async function answerOf(options: QueryCommandOptions, stateFolder: string): Promise<QueryResult> {
  const { sql = '', on = 'local', signal } = options;
  if (on === 'local') return runQuery({ stateFolder, sql, ...(signal && { signal }) });
  // The clients of AWS take longer to load than most queries to answer.
  const { openCloudHistory } = await import('./query-cloud.ts');
  const history = await openCloudHistory({ ...options, on: on as CloudHistory });
  return history.query(sql, signal && { signal });
}

/** Asks the process that holds the history of the state folder; where there is none, reads the file. @throws HistoryError */
export async function runQuery(query: {
  readonly stateFolder: string;
  readonly sql: string;
  readonly signal?: AbortSignal;
}): Promise<QueryResult> {
  const { stateFolder, sql, signal } = query;
  return (await ask(stateFolder, { sql }, (history) => history.query(sql, signal && { signal }), signal)) as QueryResult;
}

/** Writes every table of the history to a Parquet file in `folder`, whoever holds the history. @throws HistoryError */
export async function runExport({
  stateFolder,
  folder,
}: {
  readonly stateFolder: string;
  readonly folder: string;
}): Promise<ExportedTable[]> {
  const exportParquet = resolve(folder);
  return (await ask(stateFolder, { exportParquet }, (history) => history.exportParquet(exportParquet))) as ExportedTable[];
}

const places: readonly string[] = ['local', 'athena', 'timestream'];

type Result = QueryResult | ExportedTable[];

async function ask(
  stateFolder: string,
  request: QueryRequest,
  read: (history: History) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  if (!existsSync(stateFolder)) {
    throw new HistoryError(
      'history-missing',
      `there is no state folder "${stateFolder}": start "tapeline run" first, or name another folder with --state`,
    );
  }
  const served = await askServer(stateFolder, request, signal);
  if (served !== undefined) return served;
  const history = await openForReading(stateFolder);
  try {
    return await read(history);
  } finally {
    await history.close();
  }
}

async function openForReading(stateFolder: string): Promise<History> {
  try {
    return await openDuckDbHistory(historyPath(stateFolder), { isReadOnly: true, tape: tapePath(stateFolder) });
  } catch (cause) {
    if (cause instanceof HistoryError && cause.code === 'history-missing') {
      throw new HistoryError(
        'history-missing',
        `the state folder "${stateFolder}" holds no history yet: start "tapeline run" first`,
        cause,
      );
    }
    if (cause instanceof HistoryError && cause.code === 'history-locked') {
      throw new HistoryError('history-locked', `${cause.message}, which answers no queries now: try again in a moment`, cause);
    }
    throw cause;
  }
}

function faultOf({ sql, exportParquet, json, csv, on = 'local' }: QueryCommandOptions): string | undefined {
  if (!places.includes(on)) return `--on is one of ${places.join(', ')}, received "${on}"; did you mean "${nearestOf(on, places)}"?`;
  if (exportParquet !== undefined && on !== 'local')
    return '--export-parquet is for the laptop; the cloud has Parquet files already, in the bucket that the output HistoryBucket names';
  if (sql === undefined && exportParquet === undefined)
    return 'give one SQL statement in quotes, such as "select * from bars limit 10", or --export-parquet DIR';
  if (sql !== undefined && exportParquet !== undefined) return 'give a SQL statement or --export-parquet, not both';
  return json && csv ? 'give --json or --csv, not both' : undefined;
}

function formatted(result: QueryResult, { json, csv, stdout, env = process.env }: QueryCommandOptions): string {
  if (json) return `${JSON.stringify(result)}\n`;
  if (csv) return formatCsv(result);
  const isTerminal = stdout.isTTY === true;
  return formatTable(result, {
    width: isTerminal ? stdout.columns || 80 : Number.POSITIVE_INFINITY,
    colour: isTerminal && (env.NO_COLOR ?? '') === '',
  });
}

function formattedExport(exported: readonly ExportedTable[], { json, csv, ...options }: QueryCommandOptions): string {
  if (json) return `${JSON.stringify(exported)}\n`;
  const columns = [
    { name: 'table', type: 'VARCHAR' },
    { name: 'rows', type: 'BIGINT' },
    { name: 'file', type: 'VARCHAR' },
  ];
  return formatted({ columns, rows: exported.map(({ table, rows, file }) => [table, rows, file]) }, { ...options, ...(csv && { csv }) });
}

function written(stream: Writable, text: string): Promise<void> {
  return new Promise((done, fail) => {
    stream.once('error', fail);
    stream.write(text, (error) => {
      stream.off('error', fail);
      if (error) fail(error);
      else done();
    });
  });
}
