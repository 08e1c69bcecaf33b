import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { Dispatcher } from '../../../adapters/delivery/dispatcher.ts';
import { deliveriesOf, DynamoDbDeliveries } from '../../../adapters/delivery/dynamodb.ts';
import type { Attempt, Outcome } from '../../../adapters/delivery/sender.ts';
import { webhook } from '../../../core/delivery.ts';
import { startDynamoDbLocal } from '../../aws/dynamodb-local.ts';
import { account, clientOf, makeDeliveryTable } from '../../aws/table.ts';
import { deliveryStoreContract } from './contract.ts';
import { signalOf } from './signals.ts';

const local = await startDynamoDbLocal();

describe.skipIf(local.kind === 'missing')('DynamoDB', () => {
  const endpoint = local.kind === 'running' ? local.endpoint : '';
  const client = clientOf(endpoint);
  afterAll(() => {
    client.destroy();
    if (local.kind === 'running') local.stop();
  });

  const open = async () => {
    const tableName = `deliveries-${randomUUID()}`;
    await makeDeliveryTable(client, tableName);
    return {
      tableName,
      store: new DynamoDbDeliveries({ client, tableName }),
      reopen: async () => new DynamoDbDeliveries({ client, tableName }),
    };
  };

  deliveryStoreContract('DynamoDB', open, { numRuns: 8 });

  it('has no lane twice when two dispatchers deliver from one table: nothing is lost, each symbol in order', {
    timeout: 60_000,
  }, async () => {
    const { store, reopen } = await open();
    const arrived: Attempt[] = [];
    const underWay = new Set<string>();
    const send = async (attempt: Attempt): Promise<Outcome> => {
      const symbol = attempt.signals[0]?.symbol ?? '';
      expect(underWay.has(symbol)).toBe(false);
      underWay.add(symbol);
      await new Promise((resolve) => setTimeout(resolve, 3));
      underWay.delete(symbol);
      if (Math.random() < 0.1) return { kind: 'failed', reason: 'status 500' };
      arrived.push(attempt);
      return { kind: 'delivered' };
    };
    const endpoints = [webhook({ url: 'https://example.com/' })];
    const dispatchers = [store, await reopen()].map((each) => new Dispatcher({ endpoints, store: each, sender: { send } }));
    const signals = Array.from({ length: 100 }, (_, i) => signalOf(`S${i % 10}`, Math.floor(i / 10)));
    const offered = await Promise.all(
      dispatchers.flatMap((dispatcher) => [dispatcher.offer(signals.slice(0, 70)), dispatcher.offer(signals.slice(40))]),
    );
    expect(offered.reduce((sum, { enqueued }) => sum + enqueued, 0)).toBe(100);
    while ((await store.countsOf('example-com')).pending > 0) {
      for (const dispatcher of dispatchers) await dispatcher.wake();
      await store.release('example-com', Date.now());
      await store.changeEndpoint('example-com', () => ({ kind: 'healthy' }));
      await Promise.all(dispatchers.map((dispatcher) => dispatcher.untilQuiet()));
    }
    expect(new Set(arrived.map(({ deliveryId }) => deliveryId)).size).toBe(100);
    expect(arrived).toHaveLength(100);
    expect(await store.waitingLanes('example-com', 9)).toEqual([]);
    await Promise.all(dispatchers.map((dispatcher) => dispatcher.stop({ graceMs: 0 })));
  });

  it('is found by its name alone, in the account and region of the environment', async () => {
    const { store, tableName } = await open();
    await store.drop('hooks', [signalOf('IBM', 0)], 0);
    const { accessKeyId, secretAccessKey } = account.credentials;
    const environment = { AWS_REGION: account.region, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    for (const [name, value] of Object.entries({ ...environment, AWS_ENDPOINT_URL: endpoint })) vi.stubEnv(name, value);
    expect(await deliveriesOf(tableName).countsOf('hooks')).toMatchObject({ dropped: 1 });
    vi.unstubAllEnvs();
  });

  it('says that a table is not there', async () => {
    const store = new DynamoDbDeliveries({ client, tableName: 'nowhere' });
    await expect(store.endpoints()).rejects.toMatchObject({ code: 'deliveries-refused', retryable: false });
  });
});
