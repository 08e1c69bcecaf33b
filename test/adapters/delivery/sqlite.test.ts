import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SqliteDeliveries } from '../../../adapters/delivery/sqlite.ts';
import { deadLettersKeptMs, rememberedMs } from '../../../adapters/delivery/store.ts';
import { deliveryStoreContract } from './contract.ts';
import { signalOf } from './signals.ts';

deliveryStoreContract('SQLite in memory', async () => {
  const store = new SqliteDeliveries(':memory:');
  return { store, close: async () => store.close() };
});

deliveryStoreContract(
  'SQLite in a file',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tapeline-deliveries-'));
    const opened: SqliteDeliveries[] = [];
    const open = async () => {
      for (const store of opened.splice(0)) store.close();
      const store = new SqliteDeliveries(join(folder, 'deliveries.sqlite'));
      opened.push(store);
      return store;
    };
    const close = async () => {
      for (const store of opened) store.close();
      rmSync(folder, { recursive: true });
    };
    return { store: await open(), reopen: open, close };
  },
  { numRuns: 5 },
);

describe('what SQLite keeps', () => {
  it('ends: of what was delivered or dropped after two weeks, of dead letters after three months', async () => {
    const store = new SqliteDeliveries(':memory:');
    const batch = { signalsMax: 1, waitMs: 0 };
    const ask = { endpoint: 'hooks', batch, lanesMax: 9, leaseMs: 1, nowMs: 0 };
    await store.enqueue(
      ['A', 'B', 'C'].map((lane) => ({ endpoint: 'hooks', lane, signals: [signalOf(lane, 0)], batch })),
      0,
    );
    await store.drop('hooks', [signalOf('D', 0)], 0);
    const [delivered, dead] = (await store.claim(ask)).claims;
    if (delivered === undefined || dead === undefined) throw new Error('all lanes are due');
    await store.settle([
      { claim: delivered, nowMs: 0, kind: 'delivered' },
      { claim: dead, nowMs: 0, kind: 'dead', attempts: 10, reason: 'status 500' },
    ]);
    await store.removeExpired(rememberedMs - 1);
    expect(await store.countsOf('hooks')).toEqual({ pending: 1, dead: 1, delivered: 1, dropped: 1 });
    await store.removeExpired(rememberedMs);
    expect(await store.countsOf('hooks')).toEqual({ pending: 1, dead: 1, delivered: 0, dropped: 0 });
    await store.removeExpired(deadLettersKeptMs - 1);
    expect(await store.deadLetters('hooks', 9)).toHaveLength(1);
    await store.removeExpired(deadLettersKeptMs);
    expect(await store.deadLetters('hooks', 9)).toEqual([]);
    expect(await store.countsOf('hooks')).toEqual({ pending: 1, dead: 0, delivered: 0, dropped: 0 });
    store.close();
  });
});
