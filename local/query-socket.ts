import { createHash } from 'node:crypto';
import { chmod, lstat, realpath, unlink } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type ExportedTable, type History, HistoryError, type HistoryErrorCode, type QueryResult } from '../adapters/history/history.ts';

/** One line of JSON each way, then the connection is over. */
export type QueryRequest = { readonly sql: string } | { readonly exportParquet: string };
type Answer =
  | { readonly ok: true; readonly result: QueryResult | ExportedTable[] }
  | { readonly ok: false; readonly code: HistoryErrorCode; readonly message: string };

/** So much of the process that runs the pipeline may a query take; who opens the file by himself has no such neighbour. */
const servedMax = { rowsMax: 100_000, charactersMax: 50_000_000 };
const requestBytesMax = 1_048_576;
const requestMaxMs = 10_000;

/**
 * Answers queries of this user's other processes while this one holds the history, at the socket of the state folder. Call it only with
 * the history of this very folder open for writing: a socket that is there is then left from an earlier process, and is replaced.
 * Returns a function that stops it, and with it the queries that are under way.
 */
export async function serveQueries(history: History, stateFolder: string): Promise<() => Promise<void>> {
  const path = await socketPathOf(stateFolder);
  await removeStale(path);
  const sockets = new Set<Socket>();
  const conversations = new Set<Promise<void>>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    const conversation = converse(socket, history)
      .catch(() => void socket.destroy())
      .finally(() => conversations.delete(conversation));
    conversations.add(conversation);
  });
  await listenPrivately(server, path);
  return async () => {
    const closed = new Promise<void>((done) => server.close(() => done()));
    for (const socket of sockets) socket.destroy();
    await Promise.all([closed, ...conversations]);
  };
}

/**
 * Asks the process that holds the history of a state folder. Undefined when none answers there.
 * @throws HistoryError as the history over there threw it
 */
export async function askServer(
  stateFolder: string,
  request: QueryRequest,
  signal?: AbortSignal,
): Promise<QueryResult | ExportedTable[] | undefined> {
  const path = await socketPathOf(stateFolder);
  if (!(await isOurs(path))) return undefined;
  const socket = await connected(path);
  if (socket === undefined) return undefined;
  const stop = () => socket.destroy();
  signal?.addEventListener('abort', stop);
  try {
    socket.write(`${JSON.stringify(request)}\n`);
    const line = await firstLine(socket, Number.POSITIVE_INFINITY);
    if (line === undefined)
      throw new HistoryError('history-failed', 'the process that holds the history ended before it answered: ask again');
    const answer = JSON.parse(line) as Answer;
    if (!answer.ok) throw new HistoryError(answer.code, answer.message);
    return answer.result;
  } finally {
    signal?.removeEventListener('abort', stop);
    socket.destroy();
  }
}

/** Where the socket of a state folder is. A path that is too long for a socket gives way to a short one for the same folder. */
export async function socketPathOf(stateFolder: string): Promise<string> {
  const folder = await realpath(stateFolder).catch(() => resolve(stateFolder));
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 16);
  if (process.platform === 'win32') return `\\\\.\\pipe\\tapeline-${name}`;
  const path = join(folder, 'query.sock');
  return Buffer.byteLength(path) <= socketPathBytesMax ? path : join(tmpdir(), `tapeline-${process.getuid?.()}-${name}.sock`);
}

/** macOS takes 103 bytes, Linux 107. */
const socketPathBytesMax = 103;

async function converse(socket: Socket, history: History): Promise<void> {
  const stop = new AbortController();
  socket.on('close', () => stop.abort());
  const timer = setTimeout(() => socket.destroy(), requestMaxMs);
  const line = await firstLine(socket, requestBytesMax);
  clearTimeout(timer);
  if (line === undefined) {
    socket.destroy();
    return;
  }
  const answer = await answerOf(line, history, stop.signal);
  if (!socket.destroyed) socket.end(`${answer}\n`);
}

/** One line of JSON: an `Answer`. */
async function answerOf(line: string, history: History, signal: AbortSignal): Promise<string> {
  try {
    const request = requestOf(line);
    const result =
      'sql' in request ? await history.query(request.sql, { ...servedMax, signal }) : await history.exportParquet(request.exportParquet);
    return JSON.stringify({ ok: true, result } satisfies Answer);
  } catch (cause) {
    const code = cause instanceof HistoryError ? cause.code : 'history-failed';
    return JSON.stringify({ ok: false, code, message: cause instanceof Error ? cause.message : String(cause) } satisfies Answer);
  }
}

function requestOf(line: string): QueryRequest {
  const request: unknown = parsed(line);
  if (typeof request === 'object' && request !== null) {
    if ('sql' in request && typeof request.sql === 'string') return { sql: request.sql };
    if ('exportParquet' in request && typeof request.exportParquet === 'string') return { exportParquet: request.exportParquet };
  }
  throw new HistoryError('query-refused', 'a request is one line {"sql":"…"} or {"exportParquet":"…"}');
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** The text up to the first line feed; undefined when the other side ends, fails or says too much before one. */
function firstLine(socket: Socket, bytesMax: number): Promise<string | undefined> {
  return new Promise((done) => {
    const chunks: Buffer[] = [];
    let byteCount = 0;
    socket.on('data', (chunk: Buffer) => {
      const end = chunk.indexOf(0x0a);
      chunks.push(end < 0 ? chunk : chunk.subarray(0, end));
      byteCount += chunk.length;
      if (end >= 0) done(Buffer.concat(chunks).toString());
      else if (byteCount > bytesMax) done(undefined);
    });
    for (const event of ['end', 'close', 'error']) socket.on(event, () => done(undefined));
  });
}

function connected(path: string): Promise<Socket | undefined> {
  return new Promise((done) => {
    const socket = createConnection(path);
    socket.once('connect', () => done(socket));
    socket.once('error', () => done(undefined));
  });
}

/** In a folder that others may write to, a socket of theirs could answer what it likes. */
async function isOurs(path: string): Promise<boolean> {
  if (process.platform === 'win32') return true;
  const found = await lstat(path).catch(() => undefined);
  return found?.isSocket() === true && found.uid === process.getuid?.();
}

async function removeStale(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new HistoryError('history-failed', `"${path}" is in the way of the socket for queries: move it away`);
  await unlink(path);
}

/** The mask holds from the first moment on, so that nobody can connect before the mode is set. */
async function listenPrivately(server: Server, path: string): Promise<void> {
  const listening = new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.once('listening', () => done());
  });
  const mask = process.umask(0o177);
  server.listen(path);
  process.umask(mask);
  await listening;
  if (process.platform !== 'win32') await chmod(path, 0o600);
}
