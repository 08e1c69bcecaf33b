import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { EventLog, type EventLogName, eventLogNames, type LoggedEvent } from './event-log.ts';
import type { QueryResult } from '../adapters/history/history.ts';
import type { ServeAddress } from './serve-address.ts';

export type ServeOptions = ServeAddress & {
  /** Asks the history, which holds all that is served. */
  readonly query: (sql: string) => Promise<QueryResult>;
  /** @default 64 */
  readonly clientsMax?: number;
  /** A client that takes nothing for so long is cut off; it may come back and go on. @default 30,000 */
  readonly stallMaxMs?: number;
};

export type EventServer = {
  readonly url: string;
  /** There may be something new in the history. `counts` is what `/health` shows. */
  tell(counts: Readonly<Record<string, number>>): void;
  /** Gives clients the rest, then ends. */
  close(): Promise<void>;
};

const keepAliveMs = 15_000;
const endWithinMs = 2_000;
const reconnectMs = 2_000;

/**
 * Serves signals and bars as server-sent events, each client from where it was: an event's id is its place in the history. Nothing is
 * buffered for a client but the page that it is being given, so a slow one costs no memory.
 */
export async function serveEvents(options: ServeOptions): Promise<EventServer> {
  const { host, port, stallMaxMs = 30_000 } = options;
  const log = new EventLog(options.query);
  const streams = new Set<Promise<void>>();
  const closing = new AbortController();
  let counts: Readonly<Record<string, number>> = {};
  const server = createServer((request, response) => {
    response.on('error', () => undefined);
    answer(request, response).catch((error: Error) => response.destroy(error));
  });
  server.listen(port, host);
  await once(server, 'listening');
  const { port: boundPort } = server.address() as AddressInfo;
  return {
    url: `http://${isIP(host) === 6 ? `[${host}]` : host}:${boundPort}`,
    tell(now) {
      counts = now;
      log.tell();
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      closing.abort();
      log.tell();
      await Promise.race([Promise.allSettled(streams), sleep(endWithinMs)]);
      server.closeAllConnections();
      await closed;
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refusal = refusalOf(request, options);
    if (options.origin !== undefined) response.setHeader('access-control-allow-origin', options.origin).setHeader('vary', 'origin');
    if (refusal !== undefined) return end(response, refusal.status, { error: refusal.why });
    const { pathname, searchParams } = new URL(request.url as string, 'http://localhost');
    if (pathname === '/health') return end(response, 200, { status: 'ok', ...counts, clients: streams.size });
    const name = eventLogNames.find((known) => pathname === `/${known}`);
    if (name === undefined) return end(response, 404, { error: 'there are /signals, /bars and /health' });
    const after = request.headers['last-event-id'] ?? searchParams.get('after') ?? undefined;
    if (Array.isArray(after) || (after !== undefined && !/^(-1|\d{1,15})$/.test(after)))
      return end(response, 400, { error: 'Last-Event-ID must be the id of an event, or -1 for all that there are' });
    if (streams.size >= (options.clientsMax ?? 64)) return end(response, 503, { error: 'there are too many clients' });
    const wanted = filterOf(searchParams);
    const stream = follow(response, name, after, wanted).finally(() => streams.delete(stream));
    streams.add(stream);
    await stream;
  }

  async function follow(
    response: ServerResponse,
    name: EventLogName,
    after: string | undefined,
    isWanted: (event: LoggedEvent) => boolean,
  ): Promise<void> {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
    response.write(`retry: ${reconnectMs}\n\n`);
    let position = await log.positionAfter(name, after);
    while (!response.destroyed) {
      const change = log.change();
      const page = await log.page(name, position);
      if (page.length === 0) {
        if (closing.signal.aborted) break;
        if ((await firstOf(response, change, keepAliveMs)) === 'nothing') response.write(': still here\n\n');
        continue;
      }
      position = (page.at(-1) as LoggedEvent).id;
      // A client whose filter lets nothing pass still learns how far it is.
      const text = page.filter(isWanted).map(eventText).join('') || `id: ${position}\n\n`;
      if (!response.write(text) && (await firstOf(response, drainOf(response), stallMaxMs)) === 'nothing') response.destroy();
    }
    response.end();
  }
}

/**
 * A page in a browser may have a name that leads here, and then asks in our user's name: so a name must be ours, and an origin allowed.
 * An address cannot be made to lead elsewhere.
 */
function refusalOf({ method, headers }: IncomingMessage, { host, origin }: ServeAddress): { status: number; why: string } | undefined {
  const name = (headers.host ?? '')
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
  if (isIP(name) === 0 && name !== 'localhost' && name !== host.toLowerCase())
    return { status: 403, why: 'ask by address, by localhost, or by the name given to --serve' };
  const isForeign = headers.origin !== undefined && headers.origin !== `http://${headers.host}` && headers.origin !== origin;
  if (isForeign) return { status: 403, why: 'this origin is not allowed: see --serve-origin' };
  return method === 'GET' ? undefined : { status: 405, why: 'only GET is answered' };
}

/** `symbol`, `strategy`, `side` and `interval` with commas between values; all given must hold. */
function filterOf(params: URLSearchParams): (event: LoggedEvent) => boolean {
  const given = ['symbol', 'strategy', 'side', 'interval'].flatMap((field) => {
    const values = params.get(field);
    return values === null ? [] : [{ field, values: new Set(values.split(',')) }];
  });
  return ({ fields }) => given.every(({ field, values }) => fields[field] === undefined || values.has(fields[field]));
}

function eventText({ id, event, data }: LoggedEvent): string {
  return `id: ${id}\nevent: ${event}\ndata: ${data}\n\n`;
}

/** What comes first: the event, the client's leaving, or nothing for so long. */
function firstOf(response: ServerResponse, event: Promise<unknown>, waitMs: number): Promise<'event' | 'gone' | 'nothing'> {
  return new Promise((done) => {
    const finish = (what: 'event' | 'gone' | 'nothing') => {
      clearTimeout(timer);
      response.off('close', leave);
      done(what);
    };
    const leave = () => finish('gone');
    const timer = setTimeout(() => finish('nothing'), waitMs);
    response.once('close', leave);
    event.then(() => finish('event'));
  });
}

function drainOf(response: ServerResponse): Promise<void> {
  return new Promise((done) => response.once('drain', done));
}

function end(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(`${JSON.stringify(body)}\n`);
}
