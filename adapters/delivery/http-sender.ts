import { Agent as HttpAgent, type IncomingMessage, request as requestPlainly } from 'node:http';
import { Agent as HttpsAgent, request as requestOverTls } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { AddressGuard } from './address-guard.ts';
import { shortText } from './short-text.ts';

export type HttpSenderOptions = {
  readonly guard: AddressGuard;
  /** For all of name, connection, TLS, request and the head of the answer. @default 15,000 */
  readonly timeoutMs?: number;
};

export type Post = {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

/** What came of a request. No reason holds the URL, a header or the body. */
export type HttpAnswer =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly retryAfter: string | undefined;
      /** Its beginning, when the status says that it was not taken. */
      readonly body: string;
    }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string };

/** So much of an answer is read so that its connection can serve again, and so much of it kept. */
const body = { readBytesMax: 16_384, keptCharacters: 4_096, readMaxMs: 1_000 };
const idle = { socketsMax: 128, socketsPerHostMax: 2, maxMs: 5_000 };
const freshAttemptsMax = 3;

/**
 * Posts to receivers that may be anybody: only where the guard allows, no redirect, no proxy, in bounded time and memory whatever they
 * answer. The status decides; a body that does not end after it is cut off.
 */
export class HttpSender {
  readonly #guard: AddressGuard;
  readonly #timeoutMs: number;
  readonly #agents: { readonly 'http:': HttpAgent; readonly 'https:': HttpAgent };

  constructor({ guard, timeoutMs = 15_000 }: HttpSenderOptions) {
    this.#guard = guard;
    this.#timeoutMs = timeoutMs;
    const options = { keepAlive: true, maxFreeSockets: idle.socketsPerHostMax, timeout: idle.maxMs, lookup: guard.lookup };
    this.#agents = { 'http:': guarded(new HttpAgent(options), guard), 'https:': guarded(new HttpsAgent(options), guard) };
  }

  /** Never rejects for what the world does. @throws what `signal` was aborted with */
  async post(post: Post, signal: AbortSignal): Promise<HttpAnswer> {
    const checked = this.#guard.checkUrl(post.url);
    if (!checked.ok) return { kind: 'refused', reason: checked.reason };
    // Signals that are made for a time or of others leave a timer behind for as long, and there are thousands of posts a second.
    const ending = new AbortController();
    const end = () => ending.abort();
    const timer = setTimeout(end, this.#timeoutMs);
    signal.addEventListener('abort', end);
    try {
      signal.throwIfAborted();
      return await this.#attempt(checked.url, post, ending.signal);
    } catch (error) {
      signal.throwIfAborted();
      return ending.signal.aborted ? { kind: 'failed', reason: `no answer within ${this.#timeoutMs} ms` } : failureOf(error);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
    }
  }

  /** Connections that are kept to be used again. */
  get idleCount(): number {
    return Object.values(this.#agents).reduce((count, agent) => count + idleCountOf(agent), 0);
  }

  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  async #attempt(url: URL, post: Post, signal: AbortSignal): Promise<HttpAnswer> {
    for (let attempt = 1; ; attempt++) {
      const connection = { isReused: false };
      try {
        const response = await this.#answerTo(url, post, signal, connection);
        const { statusCode = 0, headers } = response;
        return { kind: 'answered', status: statusCode, retryAfter: headers['retry-after'], body: await beginningOf(response) };
      } catch (error) {
        // The receiver closed an idle connection just when it was used again. Should it have seen the request, it knows the id.
        if (!connection.isReused || signal.aborted || attempt === freshAttemptsMax) throw error;
      }
    }
  }

  #answerTo(url: URL, post: Post, signal: AbortSignal, connection: { isReused: boolean }): Promise<IncomingMessage> {
    const isTls = url.protocol === 'https:';
    const options = {
      method: 'POST',
      agent: this.#agents[isTls ? 'https:' : 'http:'],
      headers: { ...post.headers, 'content-length': String(Buffer.byteLength(post.body)), 'user-agent': 'tapeline' },
      signal,
    };
    return new Promise((answered, fail) => {
      const request = (isTls ? requestOverTls : requestPlainly)(url, options, answered);
      request.on('error', (error) => {
        connection.isReused = request.reusedSocket;
        fail(error);
      });
      // Of an answer that wants another protocol Node says no more than this.
      request.on('close', () => fail(new Error('the connection ended without an answer')));
      request.end(post.body);
    });
  }
}

/** An agent whose connections are looked at before anything is sent over them, and whose idle ones are few. */
function guarded<A extends HttpAgent>(agent: A, guard: AddressGuard): A {
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (options, callback) => {
    const socket = connect(options, callback) as Socket;
    // Before all other listeners, so that neither a greeting nor a request is written.
    socket.prependOnceListener('connect', () => {
      const refusal = guard.refusalOf(socket.remoteAddress ?? '', options.host ?? '');
      if (refusal !== undefined) socket.destroy(refusal);
    });
    return socket;
  };
  const keep = agent.keepSocketAlive.bind(agent) as (socket: Duplex) => boolean;
  // Node bounds idle connections for each host only, and hosts there may be many.
  agent.keepSocketAlive = (socket) => idleCountOf(agent) < idle.socketsMax && keep(socket);
  return agent;
}

function idleCountOf({ freeSockets }: HttpAgent): number {
  return Object.values(freeSockets).reduce((count, sockets) => count + (sockets?.length ?? 0), 0);
}

/** Reads what there is of a body within its bounds, then lets the connection serve again or cuts it off. */
async function beginningOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  const timer = setTimeout(() => response.destroy(), body.readMaxMs);
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      parts.push(part);
      bytes += part.length;
      if (bytes > body.readBytesMax) break;
    }
  } catch {
    // The status has been answered: a body that breaks off after it changes nothing.
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(parts).toString('utf8').slice(0, body.keptCharacters);
}

function failureOf(error: unknown): HttpAnswer {
  const { code, message } = error as NodeJS.ErrnoException;
  // Node refuses what cannot be a header or a path: it never will be one.
  if (code === 'ERR_INVALID_CHAR' || code === 'ERR_UNESCAPED_CHARACTERS' || code === 'ERR_INVALID_HTTP_TOKEN')
    return { kind: 'refused', reason: 'a header has characters that no header may have' };
  return { kind: 'failed', reason: shortText(message === '' ? String(code) : message) };
}
