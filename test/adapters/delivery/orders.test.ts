import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect, it } from 'vitest';
import type { OrderStore } from '../../../adapters/delivery/arrivals.ts';
import { DynamoDbOrders } from '../../../adapters/delivery/dynamodb-orders.ts';
import { orderAtFirst, type SymbolOrder } from '../../../core/signal-order.ts';
import { startDynamoDbLocal } from '../../aws/dynamodb-local.ts';
import { clientOf, makeDeliveryTable } from '../../aws/table.ts';
import { MemoryOrders } from './memory-orders.ts';
import { linkedSignals } from './signals.ts';

const local = await startDynamoDbLocal();
const client = clientOf(local.kind === 'running' ? local.endpoint : '');
afterAll(() => {
  client.destroy();
  if (local.kind === 'running') local.stop();
});

const [first, second, third] = linkedSignals('IBM', 3);
const waitingUntil = (...times: readonly number[]): SymbolOrder => ({
  last: first,
  recent: [first?.signalId as string],
  early: times.map((untilMs) => ({ signal: third as NonNullable<typeof third>, untilMs })),
});

describe.each<{ name: string; isHere: boolean; open: () => Promise<OrderStore> }>([
  { name: 'memory', isHere: true, open: async () => new MemoryOrders() },
  {
    name: 'DynamoDB',
    isHere: local.kind === 'running',
    open: async () => {
      const tableName = `orders-${randomUUID()}`;
      await makeDeliveryTable(client, tableName);
      return new DynamoDbOrders({ client, tableName });
    },
  },
])('the orders of symbols in $name', ({ isHere, open }) => {
  it.skipIf(!isHere)('are at first before anything is kept, and then what was kept last, for each symbol', async () => {
    const store = await open();
    expect(await store.load('IBM')).toEqual({ symbol: 'IBM', order: orderAtFirst, version: 0 });
    expect(await store.save({ symbol: 'IBM', order: { last: second, recent: [], early: [] }, version: 0 }, 0)).toBe(true);
    expect(await store.save({ symbol: 'IBM', order: waitingUntil(7), version: 1 }, 0)).toBe(true);
    expect(await store.load('IBM')).toEqual({ symbol: 'IBM', order: waitingUntil(7), version: 2 });
    expect(await store.load('MSFT')).toEqual({ symbol: 'MSFT', order: orderAtFirst, version: 0 });
  });

  it.skipIf(!isHere)('are kept by the first only of those who have made theirs from one version', async () => {
    const store = await open();
    const kept = { symbol: 'IBM', order: orderAtFirst, version: 0 };
    const saved = await Promise.all([store.save(kept, 0), store.save({ ...kept, order: waitingUntil(1) }, 0)]);
    expect(saved.toSorted()).toEqual([false, true]);
    expect((await store.load('IBM')).version).toBe(1);
  });

  it.skipIf(!isHere)('are overdue when the first of what waits is, and no longer when nothing waits', async () => {
    const store = await open();
    for (const [symbol, ...times] of [['A', 30, 20], ['B', 10], ['C', 21], ['D']] as const)
      await store.save({ symbol, order: waitingUntil(...times), version: 0 }, 0);
    expect(await store.overdue(9, 9)).toEqual([]);
    expect(await store.overdue(20, 9)).toEqual(['B', 'A']);
    expect(await store.overdue(99, 2)).toEqual(['B', 'A']);
    await store.save({ symbol: 'B', order: { last: third, recent: [], early: [] }, version: 1 }, 0);
    expect(await store.overdue(99, 9)).toEqual(['A', 'C']);
  });
});
