import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect, it } from 'vitest';
import { DynamoDbDeliveries } from '../../../adapters/delivery/dynamodb.ts';
import { DynamoDbRoundLeases } from '../../../adapters/delivery/dynamodb-round-leases.ts';
import type { RoundLeases } from '../../../adapters/delivery/rounds.ts';
import { SqliteDeliveries } from '../../../adapters/delivery/sqlite.ts';
import type { DeliveryStore } from '../../../adapters/delivery/store.ts';
import { startDynamoDbLocal } from '../../aws/dynamodb-local.ts';
import { clientOf, makeDeliveryTable } from '../../aws/table.ts';
import { MemoryRoundLeases } from './memory-round-leases.ts';
import { signalOf } from './signals.ts';

const local = await startDynamoDbLocal();
const client = clientOf(local.kind === 'running' ? local.endpoint : '');
afterAll(() => {
  client.destroy();
  if (local.kind === 'running') local.stop();
});

async function madeTable() {
  const tableName = `rounds-${randomUUID()}`;
  await makeDeliveryTable(client, tableName);
  return { client, tableName };
}

describe.each<{ name: string; isHere: boolean; open: () => Promise<RoundLeases> }>([
  { name: 'memory', isHere: true, open: async () => new MemoryRoundLeases() },
  { name: 'DynamoDB', isHere: local.kind === 'running', open: async () => new DynamoDbRoundLeases(await madeTable()) },
])('the leases of rounds in $name', ({ isHere, open }) => {
  it.skipIf(!isHere)('are had by one at a time, and by another when they have ended, for each endpoint', async () => {
    const leases = await open();
    expect(await leases.isTaken('a', 0)).toBe(false);
    const lease = await leases.take('a', { nowMs: 0, untilMs: 100 });
    expect(await leases.isTaken('a', 99)).toBe(true);
    expect(await leases.take('a', { nowMs: 99, untilMs: 200 })).toBeUndefined();
    expect(await leases.isTaken('b', 0)).toBe(false);
    await leases.end('a', lease as string);
    expect(await leases.isTaken('a', 1)).toBe(false);
    expect(await leases.take('a', { nowMs: 1, untilMs: 101 })).not.toBe(lease);
  });

  it.skipIf(!isHere)('are free when their time is over, and then not ended by who had them before', async () => {
    const leases = await open();
    const dead = await leases.take('a', { nowMs: 0, untilMs: 100 });
    expect(await leases.isTaken('a', 100)).toBe(false);
    await leases.take('a', { nowMs: 100, untilMs: 200 });
    await leases.end('a', dead as string);
    expect(await leases.isTaken('a', 150)).toBe(true);
  });

  it.skipIf(!isHere)('are given to the first only of those who come at once', async () => {
    const leases = await open();
    const taken = await Promise.all(Array.from({ length: 10 }, () => leases.take('a', { nowMs: 0, untilMs: 100 })));
    expect(taken.filter((lease) => lease !== undefined)).toHaveLength(1);
  });

  it.skipIf(!isHere)('pass once to whom they were taken for, also when their time is over, unless somebody else has them', async () => {
    const leases = await open();
    const from = (await leases.take('a', { nowMs: 0, untilMs: 10 })) as string;
    const lease = await leases.take('a', { nowMs: 5, untilMs: 100, from });
    expect(lease).not.toBe(from);
    expect(await leases.take('a', { nowMs: 6, untilMs: 100, from })).toBeUndefined();
    await leases.end('a', from);
    expect(await leases.isTaken('a', 50)).toBe(true);
    expect(await leases.take('a', { nowMs: 100, untilMs: 200, from })).toBeDefined();
  });
});

describe.each<{ name: string; isHere: boolean; open: () => Promise<DeliveryStore> }>([
  { name: 'SQLite', isHere: true, open: async () => new SqliteDeliveries(':memory:') },
  { name: 'DynamoDB', isHere: local.kind === 'running', open: async () => new DynamoDbDeliveries(await madeTable()) },
])('a claim of no lane at all, from $name', ({ isHere, open }) => {
  it.skipIf(!isHere)('says when there is something to claim, and leaves it there', async () => {
    const store = await open();
    const single = { signalsMax: 1, waitMs: 0 };
    const request = { endpoint: 'a', batch: single, nowMs: 50, leaseMs: 1_000 };
    expect(await store.claim({ ...request, lanesMax: 0 })).toEqual({ claims: [], nextDueAtMs: undefined });
    const enqueue = (symbol: string, nowMs: number) =>
      store.enqueue([{ endpoint: 'a', lane: symbol, signals: [signalOf(symbol, 0)], batch: single }], nowMs);
    await enqueue('IBM', 10);
    await enqueue('MSFT', 30);
    expect(await store.claim({ ...request, lanesMax: 0 })).toEqual({ claims: [], nextDueAtMs: 10 });
    expect((await store.claim({ ...request, lanesMax: 1 })).claims).toHaveLength(1);
    expect(await store.claim({ ...request, lanesMax: 0 })).toEqual({ claims: [], nextDueAtMs: 30 });
    expect((await store.claim({ ...request, lanesMax: 1 })).claims).toHaveLength(1);
    expect(await store.claim({ ...request, lanesMax: 0 })).toEqual({ claims: [], nextDueAtMs: undefined });
  });
});
