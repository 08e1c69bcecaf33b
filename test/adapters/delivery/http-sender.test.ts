import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { AddressGuard } from '../../../adapters/delivery/address-guard.ts';
import { HttpSender, type HttpSenderOptions, type Post } from '../../../adapters/delivery/http-sender.ts';
import { type Certificate, certificateFor, trust } from './certificate.ts';
import { startNameServer } from './name-server.ts';

const local = new AddressGuard({ isLocalhostAllowed: true });
const never = new AbortController().signal;
/** The test runner lets names through that begin like this machine's addresses. */
const rebinding = '127.rebinding.example';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function senderWith(options: Partial<HttpSenderOptions> = {}): HttpSender {
  const sender = new HttpSender({ guard: local, timeoutMs: 400, ...options });
  closing.push(() => sender.close());
  return sender;
}

async function listening<S extends Server | TcpServer>(server: S, host = '127.0.0.1', port = 0): Promise<number> {
  server.listen(port, host);
  await once(server, 'listening');
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => undefined)));
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const httpServer = (listener: RequestListener) => listening(createHttpServer(listener));
/** Says what it is told to as soon as it has heard anything. */
const tcpServer = (answer: (socket: Socket) => void) =>
  listening(createTcpServer((socket) => socket.once('data', () => answer(socket)).on('error', () => undefined)));
const postTo = (port: number, more: Partial<Post> = {}): Post => ({
  url: `http://localhost:${port}/hooks`,
  headers: { 'content-type': 'application/json' },
  body: '{"ä":1}',
  ...more,
});

describe('a request', () => {
  it('arrives as it was given, and its answer comes back', async () => {
    let received = '';
    const port = await httpServer(async (request, response) => {
      for await (const part of request.setEncoding('utf8')) received += part;
      received += ` ${request.method} ${request.url} ${request.headers['content-type']} ${request.headers['content-length']}`;
      response.writeHead(503, { 'retry-after': '120' }).end('busy');
    });
    const answer = await senderWith().post(postTo(port), never);
    expect(received).toBe('{"ä":1} POST /hooks application/json 8');
    expect(answer).toEqual({ kind: 'answered', status: 503, retryAfter: '120', body: 'busy' });
  });

  it('uses a connection again, and a fresh one when the receiver has closed it meanwhile', async () => {
    const connections: Socket[] = [];
    const server = createHttpServer((_, response) => response.end());
    server.on('connection', (socket) => connections.push(socket));
    const port = await listening(server);
    const sender = senderWith();
    const statuses = async (count: number) => {
      for (let i = 0; i < count; i++) expect(await sender.post(postTo(port), never)).toMatchObject({ status: 200 });
    };
    await statuses(5);
    expect(connections).toHaveLength(1);
    // Not told to the other side in time: the next request is written into a connection that is gone.
    connections[0]?.resetAndDestroy();
    await statuses(2);
    expect(connections.length).toBeGreaterThan(1);
  });

  it('gives idle connections back, so that many receivers do not hold many', async () => {
    const sender = senderWith();
    const ports = await Promise.all(Array.from({ length: 140 }, () => httpServer((_, response) => response.end())));
    for (const port of ports) await sender.post(postTo(port), never);
    expect(sender.idleCount).toBe(128);
  });

  it('takes 15 seconds at most', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout');
    const sender = new HttpSender({ guard: local });
    closing.push(() => sender.close());
    const port = await httpServer((_, response) => response.end());
    await sender.post(postTo(port), never);
    expect(timers.mock.calls.map(([, waitMs]) => waitMs)).toContain(15_000);
    timers.mockRestore();
  });

  it('ends at once when it is called off', async () => {
    const port = await tcpServer(() => undefined);
    const calledOff = new AbortController();
    const posted = senderWith({ timeoutMs: 10_000 }).post(postTo(port), calledOff.signal);
    setTimeout(() => calledOff.abort(new Error('called off')), 20);
    await expect(posted).rejects.toThrow('called off');
  });
});

describe('a receiver that', () => {
  const noAnswer = { kind: 'failed', reason: 'no answer within 400 ms' };
  const forever = (socket: Socket, text: string, everyMs = 20) => {
    const timer = setInterval(() => socket.write(text), everyMs);
    socket.on('close', () => clearInterval(timer));
  };

  it.each<[string, (socket: Socket) => void, object]>([
    ['says nothing', () => undefined, noAnswer],
    ['says its head a character at a time', (socket) => forever(socket.setNoDelay(), 'H'), { kind: 'failed' }],
    [
      'sends header after header, slowly',
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\n');
        forever(socket, 'x: y\r\n');
      },
      noAnswer,
    ],
    [
      'sends headers without end, fast',
      (socket) => socket.write(`HTTP/1.1 200 OK\r\n${`x: ${'y'.repeat(1000)}\r\n`.repeat(1000)}`),
      { kind: 'failed' },
    ],
    ['goes on saying that it goes on', (socket) => forever(socket, 'HTTP/1.1 102 Processing\r\n\r\n'), noAnswer],
    [
      'wants another protocol',
      (socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
      { kind: 'failed' },
    ],
    [
      'resets the connection',
      (socket) => socket.resetAndDestroy(),
      { kind: 'failed', reason: expect.stringMatching(/ECONNRESET|hang up/) },
    ],
    ['closes the connection', (socket) => socket.end(), { kind: 'failed', reason: 'socket hang up' }],
    ['speaks no HTTP', (socket) => socket.end('SSH-2.0-OpenSSH\r\n'), { kind: 'failed' }],
    [
      'answers with two lengths',
      (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'),
      { kind: 'failed' },
    ],
    [
      'redirects',
      (socket) => socket.end('HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n'),
      { kind: 'answered', status: 302 },
    ],
    [
      'breaks its body off',
      (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'),
      { kind: 'answered', status: 200, body: 'half' },
    ],
  ])('%s is left', async (_, answer, expected) => {
    const startedMs = performance.now();
    const port = await tcpServer(answer);
    expect(await senderWith().post(postTo(port), never)).toMatchObject(expected);
    expect(performance.now() - startedMs).toBeLessThan(5_000);
  });

  it.each<[string, number]>([
    ['slowly', 20],
    ['as fast as it can', 0],
  ])('sends a body without end, %s, is cut off, and the status counts', async (_, everyMs) => {
    let closed: Promise<unknown> | undefined;
    const port = await tcpServer((socket) => {
      closed = new Promise((done) => socket.on('close', done));
      socket.write('HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n');
      forever(socket, `5\r\n${'x'.repeat(5)}\r\n`.repeat(everyMs === 0 ? 10_000 : 1), everyMs);
    });
    const answer = await senderWith().post(postTo(port), never);
    expect(answer).toMatchObject({ kind: 'answered', status: 500, body: expect.stringMatching(/^x{10,4096}$/) });
    await closed;
  });

  it('is not there is told so', async () => {
    const server = createTcpServer();
    const port = await listening(server);
    server.close();
    expect(await senderWith().post(postTo(port), never)).toMatchObject({ kind: 'failed', reason: expect.stringContaining('ECONNREFUSED') });
  });
});

it('a redirect is not followed, wherever it leads', async () => {
  let asked = 0;
  const other = await httpServer((_, response) => {
    asked++;
    response.end();
  });
  for (const status of [301, 302, 303, 307, 308]) {
    const port = await httpServer((_, response) => response.writeHead(status, { location: `http://localhost:${other}/` }).end());
    expect(await senderWith().post(postTo(port), never)).toMatchObject({ kind: 'answered', status });
  }
  expect(asked).toBe(0);
});

describe('a header or a URL that would begin something else', () => {
  it.each([
    ['a line break in a value', { headers: { 'x-note': 'a\r\nx-admin: 1' } }],
    ['a line feed in a value', { headers: { 'x-note': 'a\nx-admin: 1' } }],
    ['a zero in a value', { headers: { 'x-note': 'a\u0000b' } }],
    ['a letter beyond Latin-1', { headers: { 'x-note': 'a\u560d\u560a' } }],
    ['a line break in a name', { headers: { 'x\r\ny': '1' } }],
  ])('is refused before anyone hears of it: %s', async (_, more) => {
    let heard = 0;
    const port = await httpServer(() => heard++);
    expect(await senderWith().post(postTo(port, more), never)).toEqual({ kind: 'refused', reason: expect.stringContaining('header') });
    expect(heard).toBe(0);
  });

  it.each(['/a\r\nx-admin: 1', '/a HTTP/1.1\r\nhost: b\r\n\r\nGET /b', '/\u560d\u560ax: 1', '/%0d%0ax:1'])(
    'stays within the path: %j',
    async (path) => {
      const heads: string[] = [];
      const port = await tcpServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'));
      const probe = await httpServer((request, response) => {
        heads.push(Object.keys(request.headers).join());
        response.end();
      });
      await senderWith().post(postTo(port, { url: `http://localhost:${probe}${path}` }), never);
      expect(heads).toEqual([expect.not.stringContaining('x-admin')]);
    },
  );
});

describe.skipIf(process.platform !== 'linux')('a name that changes its mind', () => {
  let certificate: Certificate;
  beforeAll(async () => {
    certificate = await certificateFor(rebinding, 'localhost', '127.0.0.1');
    trust(certificate);
  });

  /** One receiver that may be reached and one that may not be, at the same port of two addresses of this machine. */
  async function twoReceivers() {
    const heard = { allowed: 0, forbidden: 0 };
    const serving = (who: keyof typeof heard) =>
      createHttpsServer(certificate, (_, response) => response.end()).on('connection', () => heard[who]++);
    const port = await listening(serving('allowed'), '127.0.0.2');
    await listening(serving('forbidden'), '127.0.0.1', port);
    return { heard, port };
  }

  it('leads only where it may, at each request and on each connection', async () => {
    const { heard, port } = await twoReceivers();
    const names = await startNameServer({
      [rebinding]: [['127.0.0.2'], ['127.0.0.1'], ['127.0.0.2', '127.0.0.1'], ['127.0.0.1', '127.0.0.2']],
    });
    closing.push(names.close);
    const guard = new AddressGuard({ allow: ['127.0.0.2'], resolve: names.resolve });
    const kinds: string[] = [];
    for (let i = 0; i < 8; i++) {
      const answer = await senderWith({ guard, timeoutMs: 2_000 }).post(postTo(port, { url: `https://${rebinding}:${port}/` }), never);
      kinds.push(answer.kind);
      if (answer.kind === 'failed') expect(answer.reason).toBe('the address 127.0.0.1 is private or special, and not in the allow list');
    }
    expect(kinds).toEqual(['answered', 'failed', 'failed', 'failed', 'answered', 'failed', 'failed', 'failed']);
    expect(names.asked(rebinding)).toBe(8);
    expect(heard).toEqual({ allowed: 2, forbidden: 0 });
  });

  it('is asked once for a connection, so there is no second answer to go by', async () => {
    const { heard, port } = await twoReceivers();
    const names = await startNameServer({ [rebinding]: [['127.0.0.2'], ['127.0.0.1']] });
    closing.push(names.close);
    const sender = senderWith({ guard: new AddressGuard({ allow: ['127.0.0.2'], resolve: names.resolve }), timeoutMs: 2_000 });
    for (let i = 0; i < 5; i++)
      expect(await sender.post(postTo(port, { url: `https://${rebinding}:${port}/` }), never)).toMatchObject({ status: 200 });
    expect([names.asked(rebinding), heard]).toEqual([1, { allowed: 1, forbidden: 0 }]);
  });

  it('and got past the look-up is stopped before a byte is sent', async () => {
    let bytes = 0;
    let connections = 0;
    const server = createTcpServer((socket) => socket.on('data', (part) => (bytes += part.length))).on('connection', () => connections++);
    const port = await listening(server);
    const guard = new AddressGuard();
    const fooled = [{ address: '127.0.0.1', family: 4 }];
    Object.assign(guard, { lookup: (_: string, __: object, callback: (error: null, found: object) => void) => callback(null, fooled) });
    const answer = await senderWith({ guard }).post(postTo(port, { url: `https://127.fooled.example:${port}/` }), never);
    expect(answer).toMatchObject({ kind: 'failed', reason: expect.stringContaining('127.0.0.1 is private') });
    expect({ bytes, connections }).toEqual({ bytes: 0, connections: 1 });
  });
});

describe('TLS', () => {
  it('is verified: a certificate of nobody, for another name, and plain HTTP are no receiver', async () => {
    const [mine, other] = [await certificateFor('localhost'), await certificateFor('other.example')];
    trust(other);
    let heard = 0;
    const tlsServer = (certificate: Certificate) =>
      listening(
        createHttpsServer(certificate, (_, response) => {
          heard++;
          response.end();
        }),
      );
    const [unknown, misnamed, plain] = [await tlsServer(mine), await tlsServer(other), await httpServer((_, response) => response.end())];
    const reasons = [];
    for (const port of [unknown, misnamed, plain])
      reasons.push(await senderWith({ timeoutMs: 2_000 }).post(postTo(port, { url: `https://localhost:${port}/` }), never));
    expect(reasons).toMatchObject([
      { kind: 'failed', reason: expect.stringMatching(/self-signed/) },
      { kind: 'failed', reason: expect.stringMatching(/does not match certificate/) },
      { kind: 'failed', reason: expect.stringMatching(/wrong version number|SSL|packet/i) },
    ]);
    expect(heard).toBe(0);
    trust(mine);
    expect(await senderWith({ timeoutMs: 2_000 }).post(postTo(unknown, { url: `https://localhost:${unknown}/` }), never)).toMatchObject({
      status: 200,
    });
  });
});

afterAll(() => vi.restoreAllMocks());
