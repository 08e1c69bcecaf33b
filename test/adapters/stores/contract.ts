import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CheckpointStore, Commit, OutboxItem } from '../../../adapters/stores/checkpoints.ts';
import { CheckpointConflict } from '../../../adapters/stores/errors.ts';
import type { Signal } from '../../../core/signal.ts';
import { tries } from '../../tries.ts';

/** A store just made, empty. `reopen` is the same store as another process finds it; stores that end with theirs have none. */
export type OpenStore = {
  readonly store: CheckpointStore;
  readonly reopen?: () => Promise<CheckpointStore>;
  readonly close?: () => Promise<void>;
};

/** What every store of checkpoints keeps, whatever it is made of. */
export function checkpointStoreContract(name: string, open: () => Promise<OpenStore>): void {
  describe(`${name}, as a store of checkpoints`, () => {
    const withStore = async (use: (opened: OpenStore) => Promise<void>): Promise<void> => {
      const opened = await open();
      await use(opened).finally(() => opened.close?.());
    };

    it('does what a plain list would, commit by commit, conflicts and all', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(batches, { maxLength: 12 }).map(numbered), async (rounds) => {
          await withStore(async ({ store }) => {
            const model = new Model();
            for (const { commits, isRead } of rounds) {
              const conflicts = model.commit(commits);
              await expectCommit(store, commits, conflicts);
              expect(await checkpointsOf(store)).toEqual(model.checkpoints());
              expect(await store.readOutbox(100)).toHaveLength(model.outbox.length);
              expect(byBucket(await store.readOutbox(100))).toEqual(byBucket(model.outbox));
              if (isRead) await store.removeFromOutbox(model.outbox.splice(0, 2));
            }
          });
        }),
        { numRuns: tries(30) },
      );
    });

    it('has nothing at first', async () => {
      await withStore(async ({ store }) => {
        expect(await store.load([0, 1, 4_095])).toEqual([]);
        expect(await store.readOutbox(10)).toEqual([]);
        await store.commit([]);
        await store.removeFromOutbox([]);
        await store.removeFromOutbox([{ bucket: 1, version: 1, signals: [] }]);
        expect(await store.load([])).toEqual([]);
      });
    });

    it('gives the state back byte for byte, and long sequence numbers to the digit', async () => {
      await withStore(async ({ store }) => {
        const state = Uint8Array.from({ length: 70_000 }, (_, i) => i * 7);
        const sequenceNumber = '49590338271490256608559692538361571095921575989136588898';
        await store.commit([{ bucket: 3, expectedVersion: 0, sequenceNumber, state, signals: [] }]);
        const [saved] = await store.load([3]);
        expect(Buffer.from(saved?.state ?? []).equals(state)).toBe(true);
        expect({ ...saved, state: undefined }).toEqual({ bucket: 3, version: 1, sequenceNumber, state: undefined });
      });
    });

    it('keeps what it was given, not what becomes of it', async () => {
      await withStore(async ({ store }) => {
        const state = Uint8Array.of(1, 2, 3);
        const signals = [signalOf('a')];
        await store.commit([{ bucket: 0, expectedVersion: 0, sequenceNumber: '1', state, signals }]);
        state.fill(9);
        signals.push(signalOf('b'));
        expect([...((await store.load([0]))[0]?.state ?? [])]).toEqual([1, 2, 3]);
        expect((await store.readOutbox(1))[0]?.signals).toEqual([signalOf('a')]);
      });
    });

    it('lets one of two win that saw the same version, and takes nothing from the other', async () => {
      await withStore(async ({ store }) => {
        await store.commit([commitOf(0, 0, '1', 'first')]);
        const settled = await Promise.allSettled([
          store.commit([commitOf(0, 1, '5', 'left')]),
          store.commit([commitOf(0, 1, '6', 'right')]),
        ]);
        expect(settled.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
        const winner = settled[0].status === 'fulfilled' ? ['5', 'left'] : ['6', 'right'];
        expect((await store.load([0])).map(({ version, sequenceNumber }) => [version, sequenceNumber])).toEqual([[2, winner[0]]]);
        expect((await store.readOutbox(9)).flatMap(({ signals }) => signals.map(({ signalId }) => signalId))).toEqual(['first', winner[1]]);
      });
    });

    it('names the buckets in conflict and saves the others', async () => {
      await withStore(async ({ store }) => {
        await store.commit([commitOf(1, 0, '1'), commitOf(2, 0, '1'), commitOf(3, 0, '1')]);
        const error = await store
          .commit([commitOf(1, 0, '9', 'x'), commitOf(2, 1, '9', 'y'), commitOf(3, 7, '9', 'z'), commitOf(4, 0, '9', 'w')])
          .catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(CheckpointConflict);
        expect(error).toMatchObject({ code: 'checkpoint-conflict', retryable: true, buckets: [1, 3] });
        expect((await store.load([1, 2, 3, 4])).map(({ bucket, version, sequenceNumber }) => [bucket, version, sequenceNumber])).toEqual([
          [1, 1, '1'],
          [2, 2, '9'],
          [3, 1, '1'],
          [4, 1, '9'],
        ]);
        expect((await store.readOutbox(9)).flatMap(({ signals }) => signals.map(({ signalId }) => signalId)).toSorted()).toEqual([
          'w',
          'y',
        ]);
      });
    });

    it('gives the outbox in order of version within a bucket, as many as asked for, until they are removed', async () => {
      await withStore(async ({ store }) => {
        for (let version = 0; version < 12; version++) {
          await store.commit([
            commitOf(0, version, String(version), `a${version}`),
            commitOf(1, version, String(version), version % 2 ? `b${version}` : undefined),
          ]);
        }
        const items = await store.readOutbox(100);
        expect(versionsOf(items, 0)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        expect(versionsOf(items, 1)).toEqual([2, 4, 6, 8, 10, 12]);
        const some = await store.readOutbox(5);
        expect(some).toHaveLength(5);
        await store.removeFromOutbox(some);
        await store.removeFromOutbox(some);
        expect(await store.readOutbox(100)).toHaveLength(items.length - 5);
        for (const bucket of [0, 1])
          expect(versionsOf([...some, ...(await store.readOutbox(100))], bucket)).toEqual(versionsOf(items, bucket));
      });
    });

    it('keeps a signal of any text', async () => {
      await withStore(async ({ store }) => {
        const signal = { ...signalOf('“ž”'), reasons: ['a\u0000b', '😀', '"\\', ''], confidence: 0.1 + 0.2 };
        await store.commit([{ ...commitOf(0, 0, '1'), signals: [signal] }]);
        expect((await store.readOutbox(1))[0]).toEqual({ bucket: 0, version: 1, signals: [signal] });
      });
    });

    it('is the same when it is opened again', async () => {
      await withStore(async ({ store, reopen }) => {
        await store.commit([commitOf(0, 0, '1', 'a'), commitOf(1, 0, '2')]);
        await store.commit([commitOf(0, 1, '3', 'b')]);
        const before = [await checkpointsOf(store), await store.readOutbox(9)];
        const again = (await reopen?.()) ?? store;
        expect([await checkpointsOf(again), await again.readOutbox(9)]).toEqual(before);
        await expectCommit(again, [commitOf(0, 1, '4')], [0]);
        await expectCommit(again, [commitOf(0, 2, '4')], []);
      });
    });
  });
}

/** The contract once more, as plain lists. */
class Model {
  readonly #saved = new Map<number, { version: number; sequenceNumber: string; state: number[] }>();
  readonly outbox: OutboxItem[] = [];

  commit(commits: readonly Commit[]): number[] {
    return commits.flatMap(({ bucket, expectedVersion, sequenceNumber, state, signals }) => {
      if ((this.#saved.get(bucket)?.version ?? 0) !== expectedVersion) return [bucket];
      this.#saved.set(bucket, { version: expectedVersion + 1, sequenceNumber, state: [...state] });
      if (signals.length > 0) this.outbox.push({ bucket, version: expectedVersion + 1, signals });
      return [];
    });
  }

  checkpoints() {
    return [...this.#saved].map(([bucket, saved]) => ({ bucket, ...saved })).toSorted((a, b) => a.bucket - b.bucket);
  }
}

const bucketsMax = 3;

/** No two commits of a law end at one record: a store may take a commit that it has already for one whose answer got lost. */
function numbered(rounds: readonly { readonly commits: readonly Commit[]; readonly isRead: boolean }[]) {
  return rounds.map(({ commits, isRead }, round) => ({
    commits: commits.map((commit) => ({ ...commit, sequenceNumber: `${round}${commit.sequenceNumber.padStart(7, '0')}` })),
    isRead,
  }));
}

/** One commit a bucket; mostly of the version that a bucket that never conflicts would have. */
const batches = fc.record({
  commits: fc
    .uniqueArray(fc.record({ bucket: fc.nat(bucketsMax), expectedVersion: fc.nat(3), place: fc.nat(1e6), signalCount: fc.nat(2) }), {
      selector: ({ bucket }) => bucket,
      maxLength: bucketsMax + 1,
    })
    .map((all) =>
      all.map(({ bucket, expectedVersion, place, signalCount }) => ({
        ...commitOf(bucket, expectedVersion, String(place)),
        signals: Array.from({ length: signalCount }, (_, i) => signalOf(`${bucket}-${expectedVersion}-${i}`)),
      })),
    ),
  isRead: fc.boolean(),
});

function commitOf(bucket: number, expectedVersion: number, sequenceNumber: string, signalId?: string): Commit {
  return {
    bucket,
    expectedVersion,
    sequenceNumber,
    state: Buffer.from(`state ${bucket} ${sequenceNumber}`),
    signals: signalId === undefined ? [] : [signalOf(signalId)],
  };
}

function signalOf(signalId: string): Signal {
  const window = { windowStartMs: 60_000, windowEndMs: 120_000 };
  return { signalId, symbol: 'IBM', strategy: 's', side: 'buy', intent: 'enter', ...window, price: 181.85, confidence: 1, reasons: ['up'] };
}

async function expectCommit(store: CheckpointStore, commits: readonly Commit[], conflicts: readonly number[]): Promise<void> {
  const committed = store.commit(commits);
  if (conflicts.length === 0) await committed;
  else await expect(committed).rejects.toMatchObject({ code: 'checkpoint-conflict', buckets: conflicts });
}

async function checkpointsOf(store: CheckpointStore) {
  const saved = await store.load(Array.from({ length: bucketsMax + 1 }, (_, bucket) => bucket));
  return saved
    .map(({ bucket, version, sequenceNumber, state }) => ({ bucket, version, sequenceNumber, state: [...state] }))
    .toSorted((a, b) => a.bucket - b.bucket);
}

/** Of different buckets the order is open. */
function byBucket(items: readonly OutboxItem[]) {
  return Object.groupBy(items, ({ bucket }) => bucket);
}

function versionsOf(items: readonly OutboxItem[], of: number): number[] {
  return items.filter(({ bucket }) => bucket === of).map(({ version }) => version);
}
