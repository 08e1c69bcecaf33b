import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import type { SignalEvent } from '../../adapters/bus/signal-event.ts';
import { account } from '../aws/table.ts';

type Message =
  | { readonly Type: 'SubscriptionConfirmation'; readonly SubscribeURL: string }
  | { readonly Type: 'Notification'; readonly Message: string };

/** A subscriber of the topic by HTTP: confirms its subscription, and takes each signal once. */
export class HttpSubscriber {
  readonly events = new Map<string, SignalEvent>();
  readonly #server: Server;

  static async subscribe(endpoint: string, TopicArn: string): Promise<HttpSubscriber> {
    const subscriber = new HttpSubscriber();
    subscriber.#server.listen(0, '127.0.0.1');
    await once(subscriber.#server, 'listening');
    const { port } = subscriber.#server.address() as AddressInfo;
    const sns = new SNSClient({ ...account, endpoint });
    await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'http', Endpoint: `http://127.0.0.1:${port}/` }));
    sns.destroy();
    return subscriber;
  }

  private constructor() {
    this.#server = createServer(async (request, response) => {
      await this.#take(JSON.parse(await text(request)) as Message);
      response.writeHead(204).end();
    });
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #take(message: Message): Promise<void> {
    if (message.Type === 'SubscriptionConfirmation') {
      await fetch(message.SubscribeURL);
      return;
    }
    const event = JSON.parse(message.Message) as SignalEvent;
    this.events.set(event.id, event);
  }
}
