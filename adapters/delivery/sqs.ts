import { createHash } from 'node:crypto';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { SqsEndpoint } from '../../core/delivery.ts';
import type { Outcome } from '../../core/outcome.ts';
import { escapeField } from '../../core/signal-id.ts';
import { failureOf } from '../aws-failure.ts';
import { shortText } from './short-text.ts';

export type QueueDelivery = {
  readonly endpoint: SqsEndpoint;
  readonly deliveryId: string;
  /** CloudEvents. */
  readonly events: readonly { readonly subject?: string }[];
};

/** The message is at fault and not the queue: another one may be taken. */
const messageFaults = new Set(['InvalidMessageContents', 'InvalidParameterValue', 'InvalidParameterValueException']);
const idMax = 128;

/** Sends to queues by the credentials of this process. A client for each region; `close` ends their connections. */
export class Queues {
  readonly #clients = new Map<string, SQSClient>();
  readonly #timeoutMs: number;

  constructor({ timeoutMs }: { readonly timeoutMs: number }) {
    this.#timeoutMs = timeoutMs;
  }

  /** One message: an event, or a list of them where the endpoint takes several. @throws what `signal` was aborted with */
  async send({ endpoint, deliveryId, events }: QueueDelivery, signal: AbortSignal): Promise<Outcome> {
    const [, partition, , region = '', account, name] = endpoint.queueArn.split(':');
    const domain = partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com';
    const command = new SendMessageCommand({
      // It names the queue and no more: where the call goes is the client's matter, and `AWS_ENDPOINT_URL`'s.
      QueueUrl: `https://sqs.${region}.${domain}/${account}/${name}`,
      MessageBody: bodyOf(endpoint.batch === undefined ? events[0] : events),
      ...(name?.endsWith('.fifo') && {
        MessageGroupId: groupOf(endpoint, events[0]?.subject),
        MessageDeduplicationId: idOf(deliveryId),
      }),
    });
    try {
      await this.#clientOf(region).send(command, { abortSignal: signal });
      return { kind: 'delivered' };
    } catch (error) {
      signal.throwIfAborted();
      return outcomeOf(error as Error);
    }
  }

  close(): void {
    for (const client of this.#clients.values()) client.destroy();
  }

  #clientOf(region: string): SQSClient {
    const client =
      this.#clients.get(region) ??
      new SQSClient({
        region,
        useQueueUrlAsEndpoint: false,
        // The dispatcher tries again.
        maxAttempts: 1,
        requestHandler: { connectionTimeout: 5_000, requestTimeout: this.#timeoutMs, throwOnRequestTimeout: true },
      });
    this.#clients.set(region, client);
    return client;
  }
}

/** SQS takes every character but these two that JSON may have in it as they are. */
function bodyOf(content: unknown): string {
  return JSON.stringify(content).replaceAll('\ufffe', '\\ufffe').replaceAll('\uffff', '\\uffff');
}

/** A symbol's messages come one after the other; where one has many symbols, all do. */
function groupOf({ batch }: SqsEndpoint, symbol: string | undefined): string {
  return batch !== undefined || symbol === undefined ? '*' : idOf(escapeField(symbol));
}

function idOf(text: string): string {
  return text.length <= idMax ? text : createHash('sha256').update(text).digest('hex');
}

/** What a call says that will be said again until somebody changes the queue or the rights is a refusal. */
function outcomeOf(error: Error): Outcome {
  const reason = shortText(`SQS: ${error.name}: ${error.message}`);
  const isSetUpWrong = error.name === 'CredentialsProviderError' || (failureOf(error) === 'refused' && !messageFaults.has(error.name));
  return { kind: isSetUpWrong ? 'refused' : 'failed', reason };
}
