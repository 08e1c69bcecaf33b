import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { verifyWebhook } from '../adapters/delivery/standard-webhooks.ts';
import { ConfigError } from '../core/config.ts';
import { nearestOf } from '../core/nearest.ts';

export type ListenOptions = {
  /** 0 for any that is free. */
  readonly port: number;
  /** Asked at each delivery, so that a rotation is followed; any of them may have signed. @default signatures are not looked at */
  readonly secrets?: (() => Promise<readonly string[]>) | undefined;
  /** How to answer instead of taking a delivery; see `failureOf`. */
  readonly fail?: Failure | undefined;
  /** How many deliveries fail before they are taken. @default all */
  readonly failTimes?: number | undefined;
  readonly onHeard: (heard: Heard) => void;
};

/** What came of a request. */
export type Heard =
  | { readonly kind: 'received'; readonly id: string; readonly isVerified: boolean; readonly events: readonly unknown[] }
  /** The id was received before: a receiver does nothing and answers well. */
  | { readonly kind: 'repeat'; readonly id: string }
  /** As it was told to. */
  | { readonly kind: 'failed'; readonly id: string }
  | { readonly kind: 'refused'; readonly reason: string };

export type Listener = { readonly url: string; close(): Promise<void> };

/** How a receiver can go wrong. */
type Failure = (response: ServerResponse) => void;

const bodyBytesMax = 1_048_576;
const idsMax = 100_000;
const endWithinMs = 200;

/** A receiver on this machine: verifies, drops repeats by id, answers at once, or fails as it is told to. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const receiver = new Receiver(options);
  const server = createServer({ requestTimeout: 30_000 }, (request, response) =>
    receiver.answer(request, response).catch((error: Error) => response.destroy(error)),
  );
  await listening(server, options.port);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: async () => {
      const closed = once(server, 'close');
      // What was answered is to arrive; who hangs on is cut off.
      server.close();
      const timer = setTimeout(() => server.closeAllConnections(), endWithinMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

/** The way to fail of a name, or of a status. @throws ConfigError */
export function failureOf(name: string): Failure {
  const status = /^[3-5]\d\d$/.test(name) ? Number(name) : undefined;
  if (status !== undefined) return (response) => response.writeHead(status).end(`told to answer ${status}`);
  if (Object.hasOwn(failures, name)) return (failures as Record<string, Failure>)[name] as Failure;
  const known = Object.keys(failures);
  throw new ConfigError(
    `--fail must be a status from 300 to 599 or one of ${known.join(', ')}, received "${name}"; did you mean "${nearestOf(name, known)}"?`,
  );
}

/** What a receiver may do instead of its work, by name. */
export const failures = {
  timeout: (response) => delayed(response, 20_000),
  slow: (response) => delayed(response, 5_000),
  hang: () => undefined,
  reset: (response) => response.socket?.resetAndDestroy(),
  redirect: (response) => response.writeHead(302, { location: '/elsewhere' }).end(),
  busy: (response) => response.writeHead(429, { 'retry-after': '5' }).end(),
  endless: (response) => {
    response.writeHead(500);
    const timer = setInterval(() => response.write('and so on '), 20);
    response.on('close', () => clearInterval(timer));
  },
} satisfies Record<string, Failure>;

function delayed(response: ServerResponse, waitMs: number): void {
  const timer = setTimeout(() => response.writeHead(204).end(), waitMs);
  response.on('close', () => clearTimeout(timer));
}

class Receiver {
  readonly #options: ListenOptions;
  readonly #ids = new Set<string>();
  #failed = 0;

  constructor(options: ListenOptions) {
    this.#options = options;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') {
      response.writeHead(405, { allow: 'POST' }).end();
      return;
    }
    const body = await bodyOf(request).catch(() => undefined);
    if (body === undefined) {
      response.destroy();
      return;
    }
    const heard = await this.#judge(request, body);
    this.#options.onHeard(heard);
    if (heard.kind === 'failed') this.#options.fail?.(response);
    else if (heard.kind === 'refused') response.writeHead(401).end(heard.reason);
    else response.writeHead(204).end();
  }

  async #judge({ headers }: IncomingMessage, body: Buffer): Promise<Heard> {
    const { secrets, fail, failTimes = Number.POSITIVE_INFINITY } = this.#options;
    const isVerified = secrets !== undefined;
    const verdict = isVerified ? verifyWebhook({ headers, body, secrets: await secrets(), nowMs: Date.now() }) : undefined;
    if (verdict?.ok === false) return { kind: 'refused', reason: verdict.reason };
    const id = String(headers['webhook-id'] ?? '');
    if (fail !== undefined && this.#failed < failTimes) {
      this.#failed++;
      return { kind: 'failed', id };
    }
    if (id !== '' && this.#ids.has(id)) return { kind: 'repeat', id };
    this.#remember(id);
    return { kind: 'received', id, isVerified, events: eventsOf(body) };
  }

  #remember(id: string): void {
    this.#ids.add(id);
    // The oldest first: a set keeps the order in which its values came.
    if (this.#ids.size > idsMax) for (const oldest of this.#ids) return void this.#ids.delete(oldest);
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > bodyBytesMax) throw new RangeError('the body is too large');
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function eventsOf(body: Buffer): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(body.toString());
    return Array.isArray(value) ? value : [value];
  } catch {
    return [body.toString()];
  }
}

async function listening(server: Server, port: number): Promise<void> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
}
