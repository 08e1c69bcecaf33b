import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { signalEventOf } from '../../adapters/bus/signal-event.ts';
import { Dispatcher } from '../../adapters/delivery/dispatcher.ts';
import type { SecretStore } from '../../adapters/delivery/secrets.ts';
import { makeSender } from '../../adapters/delivery/senders.ts';
import { SqliteDeliveries } from '../../adapters/delivery/sqlite.ts';
import { type SqsEndpoint, sqs } from '../../core/delivery.ts';
import { linkedSignals, signalOf } from '../adapters/delivery/signals.ts';
import { type Moto, startMoto } from '../aws/moto.ts';
import { account } from '../aws/table.ts';

const never = new AbortController().signal;
let moto: Moto;
let client: SQSClient;

beforeAll(async () => {
  moto = await startMoto();
  client = new SQSClient({ ...account, endpoint: moto.endpoint });
}, 300_000);
afterAll(() => {
  client.destroy();
  moto.stop();
});
afterEach(() => vi.unstubAllEnvs());

describe('an endpoint in SQS', () => {
  it('has each signal as a CloudEvent in a message, through the dispatcher, by the credentials and the endpoint of the environment', async () => {
    const endpoint = await makeQueue('signals');
    const signals = [...linkedSignals('IBM', 3), ...linkedSignals('BRK.B', 2)];
    expect(await dispatched(endpoint, signals)).toMatchObject({ pending: 0, dead: 0, delivered: 5 });
    const bodies = (await received('signals')).map(({ Body = '' }) => JSON.parse(Body));
    expect(bodies.toSorted(byId)).toEqual(signals.map((signal) => signalEventOf(signal, { source: '/tapeline' })).toSorted(byId));
  });

  it('has them in a FIFO queue by symbol, in order, and none twice', async () => {
    const endpoint = await makeQueue('signals.fifo');
    const signals = [...linkedSignals('BRK B', 4), ...linkedSignals('IBM', 2)];
    await dispatched(endpoint, signals);
    // As after a kill between answer and note: the queue knows the id.
    expect(await send(endpoint, [signals[0] as never])).toEqual({ kind: 'delivered' });
    const messages = await received('signals.fifo');
    const byGroup = Map.groupBy(messages, ({ Attributes }) => Attributes?.MessageGroupId);
    const idsOf = (group: string) => byGroup.get(group)?.map(({ Body = '' }) => JSON.parse(Body).id);
    expect([...byGroup.keys()].toSorted()).toEqual(['BRK~20B', 'IBM']);
    expect(idsOf('BRK~20B')).toEqual(signals.slice(0, 4).map(({ signalId }) => signalId));
    expect(idsOf('IBM')).toEqual(signals.slice(4).map(({ signalId }) => signalId));
  });

  it('takes several in one message where it has a batch, and what SQS would not take as it is', async () => {
    const endpoint = { ...(await makeQueue('batches.fifo')), batch: { signalsMax: 10, waitMs: 0 } };
    const signals = [signalOf('IBM', 0), signalOf('\uffff', 0, { reasons: ['\ufffe and \u0001'], signalId: 'x'.repeat(200) })];
    expect(await send(endpoint, signals)).toEqual({ kind: 'delivered' });
    const [message, ...others] = await received('batches.fifo');
    expect([JSON.parse(message?.Body as string), others]).toEqual([
      signals.map((signal) => signalEventOf(signal, { source: '/tapeline' })),
      [],
    ]);
  });

  it('can be pinged', async () => {
    const endpoint = await makeQueue('pinged.fifo');
    const sender = senderInEnvironment();
    expect(await sender.ping(endpoint, 7, never)).toEqual({ kind: 'delivered' });
    sender.close();
    expect(JSON.parse((await received('pinged.fifo'))[0]?.Body as string)).toMatchObject({ type: 'tapeline.ping.v1', id: 'ping_7' });
  });

  it('is refused when there is no such queue, so that the endpoint is disabled and what comes waits', async () => {
    const endpoint = sqs({ queueArn: `arn:aws:sqs:${account.region}:123456789012:nowhere` });
    expect(await send(endpoint, [signalOf('IBM', 0)])).toMatchObject({ kind: 'refused', reason: expect.stringContaining('DoesNotExist') });
  });

  it.each([
    [403, 'AccessDeniedException', 'refused'],
    [400, 'InvalidMessageContents', 'failed'],
    [403, 'RequestThrottled', 'failed'],
    [503, 'ServiceUnavailable', 'failed'],
  ] as const)('that answers %i %s is %s', async (status, name, kind) => {
    const server = createServer((_, response) => {
      response
        .writeHead(status, { 'content-type': 'application/x-amz-json-1.0' })
        .end(JSON.stringify({ __type: name, message: 'so it is' }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const endpointUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const endpoint = sqs({ queueArn: `arn:aws:sqs:${account.region}:123456789012:signals` });
    expect(await send(endpoint, [signalOf('IBM', 0)], endpointUrl)).toEqual({ kind, reason: `SQS: ${name}: so it is` });
    server.close();
  });
});

async function makeQueue(name: string): Promise<SqsEndpoint> {
  await client.send(new CreateQueueCommand({ QueueName: name, ...(name.endsWith('.fifo') && { Attributes: { FifoQueue: 'true' } }) }));
  return sqs({ queueArn: `arn:aws:sqs:${account.region}:123456789012:${name}` });
}

async function received(name: string) {
  const QueueUrl = `${moto.endpoint}/123456789012/${name}`;
  const messages = [];
  for (;;) {
    const { Messages = [] } = await client.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, MessageSystemAttributeNames: ['All'] }),
    );
    if (Messages.length === 0) return messages;
    messages.push(...Messages);
  }
}

function senderInEnvironment(endpointUrl = moto.endpoint) {
  const { accessKeyId, secretAccessKey } = account.credentials;
  for (const [name, value] of Object.entries({
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_ENDPOINT_URL: endpointUrl,
  }))
    vi.stubEnv(name, value);
  const secrets: SecretStore = { read: async () => [], write: async () => undefined };
  return makeSender({ secrets });
}

async function send(endpoint: SqsEndpoint, signals: Parameters<Dispatcher['offer']>[0], endpointUrl?: string) {
  const sender = senderInEnvironment(endpointUrl);
  const deliveryId = signals[0]?.signalId as string;
  return sender.send({ endpoint, deliveryId, signals, attemptedAtMs: Date.now() }, never).finally(() => sender.close());
}

async function dispatched(endpoint: SqsEndpoint, signals: Parameters<Dispatcher['offer']>[0]) {
  const store = new SqliteDeliveries(':memory:');
  const sender = senderInEnvironment();
  const dispatcher = new Dispatcher({ endpoints: [endpoint], store, sender });
  await dispatcher.offer(signals);
  await dispatcher.untilQuiet();
  await dispatcher.stop({ graceMs: 0 });
  sender.close();
  return store.countsOf(endpoint.name);
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : 1;
}
