import assert from 'node:assert/strict';
import { SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import { CreateQueueCommand, DeleteMessageBatchCommand, DeleteQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { FilterOrPolicy, Policy } from 'aws-cdk-lib/aws-sns';
import type { SignalEvent } from '../../adapters/bus/signal-event.ts';
import type { SignalTopic } from '../../lib/signal-topic.ts';
import { account } from '../aws/table.ts';

/** A signal at the end of its way, and when the queue got it. */
export type Delivery = { readonly event: SignalEvent; readonly queuedMs: number };

/** A subscriber: a queue on the topic of signals, that is emptied all the time. */
export class Inbox {
  /** By signal, as first received. */
  readonly deliveries = new Map<string, Delivery>();
  readonly #sqs: SQSClient;
  readonly #queueUrl: string;
  readonly #receiving: Promise<void>;
  #isClosed = false;

  /** To all signals, or to those of a filter. */
  static async subscribe(
    endpoint: string,
    topicArn: string,
    name: string,
    filter?: ReturnType<typeof SignalTopic.filterOf>,
  ): Promise<Inbox> {
    const sqs = new SQSClient({ ...account, endpoint });
    const sns = new SNSClient({ ...account, endpoint });
    const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: name }));
    const queueArn = `${topicArn.replace(':sns:', ':sqs:').split(':').slice(0, -1).join(':')}:${name}`;
    const Attributes = filter && { FilterPolicyScope: 'MessageBody', FilterPolicy: JSON.stringify(policyOf(filter)) };
    await sns.send(new SubscribeCommand({ TopicArn: topicArn, Protocol: 'sqs', Endpoint: queueArn, Attributes }));
    sns.destroy();
    return new Inbox(sqs, QueueUrl);
  }

  private constructor(sqs: SQSClient, queueUrl: string) {
    this.#sqs = sqs;
    this.#queueUrl = queueUrl;
    this.#receiving = this.#receive();
  }

  /** Removes the queue. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#receiving;
    await this.#sqs.send(new DeleteQueueCommand({ QueueUrl: this.#queueUrl }));
    this.#sqs.destroy();
  }

  async #receive(): Promise<void> {
    const QueueUrl = this.#queueUrl;
    while (!this.#isClosed) {
      const { Messages = [] } = await this.#sqs.send(
        new ReceiveMessageCommand({
          QueueUrl,
          MaxNumberOfMessages: 10,
          WaitTimeSeconds: 1,
          MessageSystemAttributeNames: ['SentTimestamp'],
        }),
      );
      if (Messages.length === 0) continue;
      for (const { Body = '', Attributes } of Messages) {
        const { Message } = JSON.parse(Body) as { Message: string };
        const event = JSON.parse(Message) as SignalEvent;
        const first = this.deliveries.get(event.id);
        if (first === undefined) this.deliveries.set(event.id, { event, queuedMs: Number(Attributes?.SentTimestamp) });
        else assert.deepEqual(event, first.event, 'a repeat is the same event');
      }
      const Entries = Messages.map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle }));
      await this.#sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
    }
  }
}

/** As CloudFormation gets it. */
function policyOf(filter: Readonly<Record<string, FilterOrPolicy>>): Record<string, unknown> {
  const fields = Object.entries(filter).map(([field, each]) => [
    field,
    each.isFilter() ? each.filterDoc.conditions : policyOf((each as Policy).policyDoc),
  ]);
  return Object.fromEntries(fields);
}
