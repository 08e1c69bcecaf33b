import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { signalEventOf } from '../../adapters/bus/signal-event.ts';
import { openDuckDbHistory } from '../../adapters/history/duckdb.ts';
import type { History } from '../../adapters/history/history.ts';
import { type Bar, BarBatch } from '../../core/bar.ts';
import { ConfigError } from '../../core/config.ts';
import { type EventServer, serveEvents, type ServeOptions } from '../../local/serve.ts';
import { serveAddressOf } from '../../local/serve-address.ts';
import { signalOf } from '../adapters/bus/signals.ts';

let folder = '';
let history: History;
let server: EventServer;
let cases = 0;
const streams: IncomingMessage[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tapeline-serve-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
function serving(options: Partial<ServeOptions> = {}): Promise<EventServer> {
  return serveEvents({ host: '127.0.0.1', port: 0, query: (sql) => history.query(sql), ...options });
}

const barOf = (symbol: string, window: number, rev = 0): Bar => ({
  symbol,
  windowStartMs: window * 60_000,
  windowEndMs: (window + 1) * 60_000,
  open: 1,
  high: 2,
  low: 0.5,
  close: 1.5,
  volume: 10,
  tradeCount: 3,
  vwap: 1.25,
  rev,
});

async function writeBars(...bars: readonly Bar[]): Promise<void> {
  const batch = new BarBatch();
  for (const { symbol, windowStartMs, windowEndMs, rev } of bars)
    batch.add(symbol, windowStartMs, windowEndMs, 1, 2, 0.5, 1.5, 10, 12.5, 3, rev);
  await history.writeBars(batch);
}

type Heard = { readonly id: string; readonly event: string | undefined; readonly data: unknown };

/** A client as a browser's EventSource is: it knows the last id. */
class Client {
  readonly heard: Heard[] = [];
  lastId = '';
  readonly ended: Promise<unknown>;
  readonly #response: IncomingMessage;

  private constructor(response: IncomingMessage) {
    this.#response = response;
    this.ended = once(response, 'end');
    let text = '';
    response.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      const blocks = text.split('\n\n');
      text = blocks.pop() as string;
      for (const block of blocks)
        this.#hear(Object.fromEntries(block.split('\n').map((line) => /^(\w*): ?(.*)$/.exec(line)?.slice(1) ?? [])));
    });
    response.on('error', () => undefined);
  }

  static async at(path: string, headers: Record<string, string> = {}, url = server.url): Promise<Client> {
    const response = await fetched(path, headers, url);
    expect(response.headers['content-type']).toBe('text/event-stream');
    streams.push(response);
    return new Client(response);
  }

  async hearing(count: number): Promise<Heard[]> {
    for (let waits = 0; this.heard.length < count && waits < 1_000; waits++) await sleep(10);
    return this.heard;
  }

  leave(): void {
    this.#response.destroy();
  }

  #hear({ id, event, data }: Record<string, string | undefined>): void {
    if (id !== undefined) this.lastId = id;
    if (id !== undefined && data !== undefined) this.heard.push({ id, event, data: JSON.parse(data) });
  }
}

async function fetched(path: string, headers: Record<string, string> = {}, url = server.url): Promise<IncomingMessage> {
  const [response] = (await once(get(`${url}${path}`, { headers, agent: false }), 'response')) as [IncomingMessage];
  return response;
}

async function answered(path: string, headers?: Record<string, string>, url?: string) {
  const response = await fetched(path, headers, url);
  let body = '';
  for await (const part of response.setEncoding('utf8')) body += part;
  return { status: response.statusCode, headers: response.headers, body: JSON.parse(body) };
}

describe('a stream', () => {
  beforeEach(async () => {
    history = await openDuckDbHistory(join(folder, `${cases++}.duckdb`));
    server = await serving();
  });
  afterEach(async () => {
    for (const stream of streams.splice(0)) stream.destroy();
    await server.close();
    await history.close();
  });

  it('brings what comes from now on, signals as CloudEvents and bars as they are given out', async () => {
    await history.writeSignals([signalOf('OLD', 0)]);
    const [signals, bars] = [await Client.at('/signals'), await Client.at('/bars')];
    await sleep(50);
    await history.writeSignals([signalOf('A', 1), signalOf('B', 1)]);
    await writeBars(barOf('A', 0), barOf('A', 0, 1));
    server.tell({});
    expect(await signals.hearing(2)).toEqual(
      ['A', 'B'].map((symbol) => ({
        id: expect.any(String),
        event: 'signal',
        data: signalEventOf(signalOf(symbol, 1), { source: '/tapeline' }),
      })),
    );
    expect((await bars.hearing(2)).map(({ data }) => data)).toEqual([barOf('A', 0), barOf('A', 0, 1)]);
  });

  it('goes on behind the last id, wherever it broke off: all, once, in order', async () => {
    const all = Array.from({ length: 620 }, (_, i) => signalOf('A', i));
    await history.writeSignals(all);
    const ids = (events: readonly Heard[]) => events.map(({ data }) => (data as { id: string }).id);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: all.length }), { maxLength: 3 }), async (cuts) => {
        const heard: Heard[] = [];
        let lastId = '-1';
        for (const cut of [...cuts.toSorted((a, b) => a - b), all.length]) {
          const client = await Client.at('/signals', { 'last-event-id': lastId });
          const wanted = Math.max(cut - heard.length, 0);
          heard.push(...(await client.hearing(wanted)).slice(0, wanted));
          client.leave();
          lastId = heard.at(-1)?.id ?? '-1';
        }
        expect(ids(heard)).toEqual(all.map(({ signalId }) => signalId));
      }),
      { numRuns: 6 },
    );
  });

  it('keeps its ids over a restart', async () => {
    await history.writeSignals([signalOf('A', 0), signalOf('A', 1)]);
    const before = await (await Client.at('/signals?after=-1')).hearing(2);
    await server.close();
    await history.close();
    history = await openDuckDbHistory(join(folder, `${cases - 1}.duckdb`));
    server = await serving();
    await history.writeSignals([signalOf('A', 2)]);
    const after = await (await Client.at('/signals', { 'last-event-id': before[0]?.id as string })).hearing(2);
    expect(after.map(({ id }) => id)).toEqual([before[1]?.id, String(Number(before[1]?.id) + 1)]);
  });

  it('begins anew for an id that the history does not have yet', async () => {
    await history.writeSignals([signalOf('A', 0)]);
    expect(await (await Client.at('/signals', { 'last-event-id': '999' })).hearing(1)).toHaveLength(1);
  });

  it.each([
    ['/signals?symbol=A,C', ['A', 'C']],
    ['/signals?strategy=breakout', ['B']],
    ['/signals?side=sell', ['C']],
    ['/signals?side=buy&symbol=A,C', ['A']],
    ['/signals?interval=1m', ['A', 'B', 'C']],
    ['/signals?interval=5m', []],
  ])('of %s brings only what is asked for, and the client knows how far it is', async (path, symbols) => {
    await history.writeSignals([signalOf('A', 0), signalOf('B', 0, { strategy: 'breakout' }), signalOf('C', 0, { side: 'sell' })]);
    const client = await Client.at(path, { 'last-event-id': '-1' });
    for (let waits = 0; client.lastId === '' && waits < 100; waits++) await sleep(10);
    expect(client.heard.map(({ data }) => (data as { subject: string }).subject)).toEqual(symbols);
    expect(Number(client.lastId)).toBeGreaterThanOrEqual(symbols.length === 0 ? 2 : 0);
  });

  it('of a client that does not read is cut off, holds little meanwhile, and nobody else waits for it', async () => {
    await server.close();
    server = await serving({ stallMaxMs: 2_000 });
    for (let round = 0; round < 40; round++) await writeBars(...Array.from({ length: 2_000 }, (_, i) => barOf(`S${round}`, i)));
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.pause().on('error', () => undefined);
    socket.write('GET /bars?after=-1 HTTP/1.1\r\nhost: localhost\r\n\r\n');
    const quick = await Client.at('/bars?after=77999');
    expect(await quick.hearing(2_000)).toHaveLength(2_000);
    expect((await answered('/health')).body.clients).toBe(2);
    for (let waits = 0; waits < 1_000 && (await answered('/health')).body.clients > 1; waits++) await sleep(10);
    expect((await answered('/health')).body.clients).toBe(1);
    const closed = once(socket, 'close');
    socket.resume();
    await closed;
    // What a socket and its kernel buffer took; the history has 13 MB.
    expect(socket.bytesRead).toBeLessThan(8_000_000);
  });

  it('ends with the rest when the run ends', async () => {
    const client = await Client.at('/signals?after=-1');
    await history.writeSignals(Array.from({ length: 700 }, (_, i) => signalOf('A', i)));
    await server.close();
    await client.ended;
    expect(client.heard).toHaveLength(700);
    server = await serving();
  });
});

describe('the server', () => {
  const nothing = async () => ({ columns: [], rows: [] });
  beforeAll(async () => {
    server = await serving({ query: nothing });
  });
  afterAll(() => server.close());

  it('says how it is', async () => {
    server.tell({ bars: 12, late: 1 });
    expect(await answered('/health')).toMatchObject({ status: 200, body: { status: 'ok', bars: 12, late: 1, clients: 0 } });
  });

  it.each([
    ['/nothing', {}, 404],
    ['/signals', { 'last-event-id': 'x' }, 400],
    ['/signals?after=1;drop', {}, 400],
    ['/signals?after=-2', {}, 400],
  ])('answers %s with %j by %i', async (path, headers, status) => {
    expect(await answered(path, headers)).toMatchObject({ status, body: { error: expect.any(String) } });
  });

  it.each([
    ['localhost', 200],
    ['LOCALHOST:8080', 200],
    ['127.0.0.1:1', 200],
    ['[::1]:8080', 200],
    ['192.168.1.5:8080', 200],
    ['rebound.example', 403],
    ['localhost.evil.example', 403],
    ['127.0.0.1.nip.example:80', 403],
  ])('asked as host %j answers %i: a page’s own name that leads here is none of ours', async (host, status) => {
    expect((await answered('/health', { host })).status).toBe(status);
  });

  it('lets no page of another origin read, unless it is told to', async () => {
    expect(await answered('/health', { origin: 'https://evil.example' })).toMatchObject({ status: 403 });
    expect((await answered('/health')).headers['access-control-allow-origin']).toBeUndefined();
    const open = await serving({ query: nothing, origin: 'http://localhost:5173' });
    const page = await answered('/health', { origin: 'http://localhost:5173' }, open.url);
    expect([page.status, page.headers['access-control-allow-origin']]).toEqual([200, 'http://localhost:5173']);
    expect(await answered('/health', { origin: 'https://evil.example' }, open.url)).toMatchObject({ status: 403 });
    await open.close();
  });

  it('answers only GET', async () => {
    expect((await fetch(`${server.url}/signals`, { method: 'POST' })).status).toBe(405);
  });

  it('takes only so many clients', async () => {
    const small = await serving({ query: nothing, clientsMax: 2 });
    for (let i = 0; i < 2; i++) await Client.at('/bars', {}, small.url);
    expect(await answered('/signals', {}, small.url)).toMatchObject({ status: 503 });
    await small.close();
  });
});

describe('the address to serve at', () => {
  it.each([
    ['8080', { host: '127.0.0.1', port: 8080 }],
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['0.0.0.0:80', { host: '0.0.0.0', port: 80 }],
    ['[::1]:8080', { host: '::1', port: 8080 }],
    ['my-machine.local:8080', { host: 'my-machine.local', port: 8080 }],
  ])('%s is %j', (text, address) => {
    expect(serveAddressOf(text)).toMatchObject(address);
  });

  it.each(['', 'x', ':80', '127.0.0.1', '127.0.0.1:99999', 'http://localhost:80', '::1:80'])('is never %j', (text) => {
    expect(() => serveAddressOf(text)).toThrow(ConfigError);
  });

  it.each(['*', 'localhost:5173', 'http://localhost:5173/'])('has no origin %j', (origin) => {
    expect(() => serveAddressOf('8080', origin)).toThrow('--serve-origin');
  });
});
