import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import type { SignalEvent } from '../../adapters/bus/signal-event.ts';
import { type Certificate, certificateFor } from '../adapters/delivery/certificate.ts';

/** Somebody's receiver: takes what is signed, drops what it has by its id, and is out of order now and then. */
export class Receiver {
  readonly secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
  /** In the order in which they were taken. */
  readonly events: SignalEvent[] = [];
  readonly certificate: Certificate;
  repeats = 0;
  refused = 0;
  readonly #server: Server;
  readonly #ids = new Set<string>();

  private constructor(certificate: Certificate) {
    this.certificate = certificate;
    const webhook = new Webhook(this.secret);
    this.#server = createServer(certificate, async (request, response) => {
      const body = await text(request);
      // Every tenth request fails, whatever it brings.
      if ((this.refused + this.events.length + this.repeats) % 10 === 4 && this.refused++ >= 0) return response.writeHead(503).end();
      const event = webhook.verify(body, request.headers as Record<string, string>) as SignalEvent;
      if (this.#ids.has(event.id)) this.repeats++;
      else this.events.push(event);
      this.#ids.add(event.id);
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

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
