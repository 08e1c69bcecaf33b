import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import type { SignalEvent } from '../../adapters/bus/signal-event.ts';
import { type Certificate, certificateFor } from '../adapters/delivery/certificate.ts';

/** Somebody's receiver: takes what is signed, and drops what it has by its id. */
export class Receiver {
  /** In the order in which they were taken. */
  readonly events: SignalEvent[] = [];
  readonly certificate: Certificate;
  /** Whether of every tenth delivery the first attempt fails. */
  isFaulty = false;
  faults = 0;
  #webhook: Webhook | undefined;
  readonly #attempted = new Set<string>();
  readonly #server: Server;

  private constructor(certificate: Certificate) {
    this.certificate = certificate;
    this.#server = createServer(certificate, async (request, response) => {
      const body = await text(request);
      if (this.isFaulty && this.#isFailing(String(request.headers['webhook-id']))) {
        this.faults++;
        return response.writeHead(503).end();
      }
      const event = this.#verified(body, request.headers as Record<string, string>);
      if (event === undefined) return response.writeHead(401).end();
      if (this.events.every(({ id }) => id !== event.id)) this.events.push(event);
      return response.writeHead(204).end();
    });
  }

  static async start(): Promise<Receiver> {
    const receiver = new Receiver(await certificateFor('127.0.0.1'));
    receiver.#server.listen(0, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}/signals`;
  }

  know(secret: string): void {
    this.#webhook = new Webhook(secret);
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #isFailing(id: string): boolean {
    if (this.#attempted.has(id)) return false;
    return this.#attempted.add(id).size % 10 === 4;
  }

  #verified(body: string, headers: Record<string, string>): SignalEvent | undefined {
    try {
      return this.#webhook?.verify(body, headers) as SignalEvent | undefined;
    } catch {
      return undefined;
    }
  }
}
