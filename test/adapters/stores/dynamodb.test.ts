import { hash, randomBytes, randomUUID } from 'node:crypto';
import { type DynamoDBClient, paginateQuery, TransactionCanceledException, TransactionInProgressException } from '@aws-sdk/client-dynamodb';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Checkpoint, Commit } from '../../../adapters/stores/checkpoints.ts';
import { type CommitCost, DynamoDbCheckpoints, type DynamoDbCheckpointsOptions } from '../../../adapters/stores/dynamodb.ts';
import type { Signal } from '../../../core/signal.ts';
import { startDynamoDbLocal } from '../../aws/dynamodb-local.ts';
import { clientOf, makeTable } from '../../aws/table.ts';
import { S3States } from '../../../adapters/s3/states.ts';
import { FakeS3 } from '../s3/fake-s3.ts';
import { checkpointStoreContract } from './contract.ts';
import { tries } from '../../tries.ts';

const local = await startDynamoDbLocal();
const tableName = 'tapeline';
const kb = 1024;

describe.skipIf(local.kind === 'missing')('DynamoDB', () => {
  const endpoint = local.kind === 'running' ? local.endpoint : '';
  const client = clientOf(endpoint);

  beforeAll(() => makeTable(client, tableName));
  afterAll(() => {
    client.destroy();
    if (local.kind === 'running') local.stop();
  });

  /** As the store of another process: it shares nothing but the table. */
  const storeOf = (generation: string, options: Partial<DynamoDbCheckpointsOptions> = {}) =>
    new DynamoDbCheckpoints({ client, tableName, generation, bucketCount: 16, wait: async () => {}, ...options });

  checkpointStoreContract('DynamoDB', async () => {
    const generation = randomUUID();
    return { store: storeOf(generation, { bucketCount: 5 }), reopen: async () => storeOf(generation, { bucketCount: 5 }) };
  });

  describe('with its states in objects', () => {
    let s3: FakeS3;
    beforeAll(async () => {
      s3 = await FakeS3.start();
    });
    afterAll(() => s3.stop());
    const withObjects = (generation: string, options: Partial<DynamoDbCheckpointsOptions> = {}) =>
      storeOf(generation, { objects: new S3States({ bucket: s3.bucket }), ...options });
    const currentOf = (generation: string) => s3.versions.get(`${generation}/0`)?.at(-1)?.bytes;
    const large = (fill: number) => new Uint8Array(50_000).fill(fill);

    checkpointStoreContract('DynamoDB with objects', async () => {
      const generation = randomUUID();
      const open = () => withObjects(generation, { bucketCount: 5, inTableBytesMax: 0 });
      return { store: open(), reopen: async () => open() };
    });

    it('gives back the last of any commits, bit for bit, wherever each was', async () => {
      const sizes = fc.array(fc.constantFrom(0, 2 * kb, 2 * kb + 1, 60 * kb, 900 * kb), { minLength: 1, maxLength: 5 });
      await fc.assert(
        fc.asyncProperty(sizes, fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }), async (stateSizes, areInObjects) => {
          const generation = randomUUID();
          let last = new Uint8Array();
          for (const [version, size] of stateSizes.entries()) {
            last = new Uint8Array(randomBytes(size));
            const store = areInObjects[version] ? withObjects(generation) : storeOf(generation);
            await store.commit([commitOf({ expectedVersion: version, state: last })]);
          }
          const version = stateSizes.length;
          const checkpoints = await withObjects(generation).load([0]);
          expect(checkpoints.map(digested)).toEqual([digested({ bucket: 0, version, sequenceNumber: `${version}`, state: last })]);
          const isInObject = areInObjects[version - 1] && last.length > 2 * kb;
          expect(await sortKeysOf('bucket', generation)).toHaveLength(isInObject ? 1 : Math.max(1, Math.ceil(last.length / (380 * kb))));
        }),
        { numRuns: tries(15) },
      );
    });

    it('costs two write units for a state of any size, and six with its signals', async () => {
      const costs: CommitCost[] = [];
      const store = withObjects(randomUUID(), { onCommitted: (cost) => costs.push(cost) });
      await store.commit([commitOf({ state: new Uint8Array(900 * kb) })]);
      await store.commit([commitOf({ expectedVersion: 1, state: large(1), signals: [0, 1, 2, 3, 4].map(signalOf) })]);
      expect(costs.map(({ writeUnits }) => writeUnits)).toEqual([2, 6]);
    });

    it('leaves the object of a commit that lost behind none, so that the bucket does not take the named one for replaced', async () => {
      const generation = randomUUID();
      const results = await Promise.allSettled(
        [1, 2, 3].map((zombie) => withObjects(generation).commit([commitOf({ sequenceNumber: `${zombie}`, state: large(zombie) })])),
      );
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      const [checkpoint] = await withObjects(generation).load([0]);
      expect(checkpoint?.state).toEqual(large(Number(checkpoint?.sequenceNumber)));
      expect(currentOf(generation)?.equals(large(Number(checkpoint?.sequenceNumber)))).toBe(true);
    });

    it('takes a commit that another process has done for its own, object and all', async () => {
      const generation = randomUUID();
      await withObjects(generation).commit([commitOf({ state: large(1) })]);
      const again = withObjects(generation);
      await again.commit([commitOf({ state: large(1) })]);
      await again.commit([commitOf({ expectedVersion: 1, state: large(2) })]);
      expect(s3.versions.get(`${generation}/0`)).toHaveLength(2);
      expect((await withObjects(generation).load([0]))[0]?.state).toEqual(large(2));
    });

    it('survives a process that ends between the object and the table', async () => {
      const generation = randomUUID();
      await withObjects(generation).commit([commitOf({ state: large(1) })]);
      const dying = faultyClient(endpoint, [], async (command, next) => {
        if (command === 'TransactWriteItemsCommand') throw new Error('the process ends here');
        return await next();
      });
      await expect(withObjects(generation, { client: dying }).commit([commitOf({ expectedVersion: 1, state: large(2) })])).rejects.toThrow(
        'the process ends here',
      );
      const after = withObjects(generation);
      expect((await after.load([0])).map(({ version, state }) => [version, state[0]])).toEqual([[1, 1]]);
      await after.commit([commitOf({ expectedVersion: 1, state: large(3) })]);
      expect((await withObjects(generation).load([0])).map(({ version, state }) => [version, state[0]])).toEqual([[2, 3]]);
    });

    const saved = async (generation: string) => (await withObjects(generation).load([0])).map(({ version, state }) => [version, state[0]]);

    it.each([
      ['refuses', serviceError('AccessDeniedException', 400), 'store-refused'],
      ['throttles until it is given up', serviceError('ThrottlingException', 400), 'store-busy'],
      ['has other transactions on the item until it is given up', cancelled('TransactionConflict', 'None'), 'store-busy'],
    ])('leaves no object of a commit that the table %s', async (_, fault, code) => {
      const generation = randomUUID();
      await withObjects(generation).commit([commitOf({ state: large(1) })]);
      const failing = faultyClient(endpoint, [], async (command, next) => {
        if (command === 'TransactWriteItemsCommand') throw fault;
        return await next();
      });
      const commit = commitOf({ expectedVersion: 1, state: large(2) });
      await expect(withObjects(generation, { client: failing }).commit([commit])).rejects.toMatchObject({ code });
      expect(s3.versions.get(`${generation}/0`)).toHaveLength(1);
      expect(await saved(generation)).toEqual([[1, 1]]);
    });

    it.each([
      ['is cut off', connectionReset()],
      ['has a fault', serviceError('InternalServerError', 500)],
      ['is still at it', new TransactionInProgressException({ message: 'wait', $metadata: { httpStatusCode: 400 } })],
    ])('keeps the object while nobody knows whether the commit was done: the table has done it, and %s', async (_, fault) => {
      const generation = randomUUID();
      await withObjects(generation).commit([commitOf({ state: large(1) })]);
      let isDone = false;
      const losing = faultyClient(endpoint, [], async (command, next) => {
        if (command !== 'TransactWriteItemsCommand') return await next();
        if (isDone) throw serviceError('ThrottlingException', 400);
        await next();
        isDone = true;
        throw fault;
      });
      const commit = commitOf({ expectedVersion: 1, state: large(2) });
      await expect(withObjects(generation, { client: losing }).commit([commit])).rejects.toMatchObject({ code: 'store-busy' });
      expect(await saved(generation)).toEqual([[2, 2]]);
    });

    it('puts no object for a commit that one transaction does not take', async () => {
      const generation = randomUUID();
      const signals = [0, 1, 2].map((i) => ({ ...signalOf(i), reasons: ['x'.repeat(1_500_000)] }));
      await expect(withObjects(generation).commit([commitOf({ state: large(1), signals })])).rejects.toMatchObject({
        code: 'checkpoint-too-large',
      });
      expect(s3.versions.has(`${generation}/0`)).toBe(false);
    });

    it('commits nothing to a bucket without versions', async () => {
      const generation = randomUUID();
      s3.isVersioned = false;
      await withObjects(generation)
        .commit([commitOf({ state: large(1) })])
        .then(
          () => expect.fail('it was committed'),
          (error: unknown) => expect(error).toMatchObject({ code: 'states-unversioned', retryable: false }),
        )
        .finally(() => {
          s3.isVersioned = true;
        });
      expect(await withObjects(generation).load([0])).toEqual([]);
    });

    it.each([
      ['is gone', true],
      ['cannot be asked for', false],
    ])('says so when an object %s', async (_, hasObjects) => {
      const generation = randomUUID();
      await withObjects(generation).commit([commitOf({ state: large(1) })]);
      s3.versions.delete(`${generation}/0`);
      const store = hasObjects ? withObjects(generation) : storeOf(generation);
      await expect(store.load([0])).rejects.toMatchObject({
        code: 'checkpoint-unreadable',
        message: expect.stringContaining(`${generation}/0?versionId=`),
      });
    });
  });

  /** The sort keys that a generation has in the bucket's partition of a kind. */
  const sortKeysOf = async (kind: 'bucket' | 'outbox', generation: string): Promise<string[]> => {
    const pages = paginateQuery(
      { client },
      {
        TableName: tableName,
        KeyConditionExpression: 'pk = :pk',
        ExpressionAttributeValues: { ':pk': { S: `${kind}#${generation}#0` } },
        ConsistentRead: true,
      },
    );
    const keys: string[] = [];
    for await (const { Items = [] } of pages) keys.push(...Items.map(({ sk }) => sk?.S ?? ''));
    return keys;
  };

  it('gives back the last of any commits, bit for bit, and keeps no chunk of the ones before', { timeout: 120_000 }, async () => {
    const sizes = fc.oneof(fc.nat(2_000), fc.constantFrom(0, 380 * kb - 1, 380 * kb, 380 * kb + 1, 760 * kb, 1_200 * kb));
    await fc.assert(
      fc.asyncProperty(fc.array(sizes, { minLength: 1, maxLength: 5 }), fc.boolean(), async (stateSizes, isWarm) => {
        const generation = randomUUID();
        let store = storeOf(generation);
        let last = new Uint8Array();
        for (const [version, size] of stateSizes.entries()) {
          last = new Uint8Array(randomBytes(size));
          await store.commit([commitOf({ expectedVersion: version, state: last })]);
          if (!isWarm) store = storeOf(generation);
        }
        const version = stateSizes.length;
        const checkpoints = await storeOf(generation).load([3, 0]);
        expect(checkpoints.map(digested)).toEqual([digested({ bucket: 0, version, sequenceNumber: `${version}`, state: last })]);
        expect(await sortKeysOf('bucket', generation)).toHaveLength(Math.max(1, Math.ceil(last.length / (380 * kb))));
      }),
      { numRuns: tries(15) },
    );
  });

  it('removes the chunks that another container has written', async () => {
    const generation = randomUUID();
    const [one, other] = [storeOf(generation), storeOf(generation)];
    await one.commit([commitOf({})]);
    await other.commit([commitOf({ expectedVersion: 1, state: new Uint8Array(1_000 * kb) })]);
    expect(await sortKeysOf('bucket', generation)).toEqual(['state', 'state#0001', 'state#0002']);
    await one.commit([commitOf({ expectedVersion: 2 })]);
    expect(await sortKeysOf('bucket', generation)).toEqual(['state']);
  });

  it('reads what is there now, never a copy that lags behind', async () => {
    const reads: unknown[] = [];
    const watched = faultyClient(endpoint, [], async (command, next, input) => {
      if (!command.startsWith('TransactWrite')) reads.push((input as { ConsistentRead?: boolean }).ConsistentRead);
      return await next();
    });
    const generation = randomUUID();
    await storeOf(generation).commit([commitOf({})]);
    const store = storeOf(generation, { client: watched });
    await store.commit([commitOf({ expectedVersion: 1 })]);
    await store.load([0]);
    await store.readOutbox(1);
    expect(reads).toEqual(Array(18).fill(true));
  });

  it('lets one of many commits of one version through', async () => {
    const generation = randomUUID();
    const results = await Promise.allSettled(
      Array.from({ length: 6 }, (_, zombie) =>
        storeOf(generation).commit([commitOf({ sequenceNumber: `${zombie}`, signals: [signalOf(zombie)] })]),
      ),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'checkpoint-conflict', retryable: true, buckets: [0] });
    }
    const [checkpoint] = await storeOf(generation).load([0]);
    expect(await storeOf(generation).readOutbox(9)).toEqual([
      { bucket: 0, version: 1, signals: [signalOf(Number(checkpoint?.sequenceNumber))] },
    ]);
  });

  it('saves the other buckets when some conflict, and names those that do', async () => {
    const store = storeOf(randomUUID());
    await store.commit([commitOf({ bucket: 1 }), commitOf({ bucket: 3 })]);
    const commits = [0, 1, 2, 3, 4].map((bucket) => commitOf({ bucket, sequenceNumber: '9', signals: [signalOf(bucket)] }));
    await expect(store.commit(commits)).rejects.toMatchObject({ code: 'checkpoint-conflict', buckets: [1, 3] });
    expect((await store.load([0, 1, 2, 3, 4])).map(({ sequenceNumber }) => sequenceNumber)).toEqual(['9', '1', '9', '1', '9']);
    expect((await store.readOutbox(9)).map(({ bucket }) => bucket)).toEqual([0, 2, 4]);
  });

  describe('a commit whose answer got lost', () => {
    it('is found to be done when it is tried again', async () => {
      const generation = randomUUID();
      const calls: string[] = [];
      const losing = faultyClient(endpoint, calls, async (command, next) => {
        const answer = await next();
        if (command === 'TransactWriteItemsCommand' && calls.length === 1) throw connectionReset();
        return answer;
      });
      await storeOf(generation, { client: losing }).commit([commitOf({ signals: [signalOf(0)] })]);
      expect(calls).toEqual(['TransactWriteItemsCommand', 'TransactWriteItemsCommand']);
      expect(await storeOf(generation).load([0])).toMatchObject([{ version: 1 }]);
      expect(await storeOf(generation).readOutbox(9)).toHaveLength(1);
    });

    it('is found to be done by the process that gets the batch again', async () => {
      const generation = randomUUID();
      await storeOf(generation).commit([commitOf({ signals: [signalOf(0)] })]);
      const again = storeOf(generation);
      await again.commit([commitOf({ signals: [signalOf(0)] })]);
      await again.commit([commitOf({ expectedVersion: 1 })]);
      await storeOf(generation).commit([commitOf({ expectedVersion: 1 })]);
      expect(await storeOf(generation).load([0])).toMatchObject([{ version: 2, sequenceNumber: '2' }]);
      expect(await storeOf(generation).readOutbox(9)).toHaveLength(1);
    });

    it.each([
      ['that covers other records', { expectedVersion: 1, sequenceNumber: '77' }],
      ['that others have built on since', { expectedVersion: 0, sequenceNumber: '1' }],
      ['that others have built on since, up to the same record', { expectedVersion: 0, sequenceNumber: '2' }],
    ])('is not one %s', async (_, changes) => {
      const generation = randomUUID();
      await storeOf(generation).commit([commitOf({})]);
      await storeOf(generation).commit([commitOf({ expectedVersion: 1 })]);
      await expect(storeOf(generation).commit([commitOf(changes)])).rejects.toMatchObject({ code: 'checkpoint-conflict' });
    });
  });

  it.each([
    ['one that is as large', [2_000, 2_000, 2_000]],
    ['a smaller one, whose last chunks go', [2_000, 1_200, 100]],
    ['a larger one', [1_200, 1_600, 2_000]],
  ])('reads no state torn between its commit and %s', async (_, sizesKb) => {
    const generation = randomUUID();
    const writer = storeOf(generation);
    const uniform = (version: number) => new Uint8Array((sizesKb[version - 1] ?? 0) * kb).fill(version);
    await writer.commit([commitOf({ state: uniform(1) })]);
    let version = 1;
    const interrupted = faultyClient(endpoint, [], async (_command, next) => {
      const answer = await next();
      // A state of this size comes in two pages or more: each of the first two reads gets the next commit behind its first page.
      if ((answer as { output: { LastEvaluatedKey?: object } }).output.LastEvaluatedKey !== undefined && version < 3) {
        await writer.commit([commitOf({ expectedVersion: version, state: uniform(version + 1) })]);
        version++;
      }
      return answer;
    });
    const checkpoints = await storeOf(generation, { client: interrupted }).load([0]);
    expect(checkpoints.map(digested)).toEqual([digested({ bucket: 0, version: 3, sequenceNumber: '3', state: uniform(3) })]);
  });

  describe('a table that fails', () => {
    it.each([
      ['throttles', serviceError('ThrottlingException', 400)],
      ['has a fault', serviceError('InternalServerError', 500)],
      ['has another transaction on the item', cancelled('TransactionConflict', 'None')],
      ['has no capacity in a transaction', cancelled('None', 'ThrottlingError')],
      ['is cut off', connectionReset()],
    ])('is tried again when it %s, and then given up for now', async (_, fault) => {
      const generation = randomUUID();
      const calls: string[] = [];
      let faults = 3;
      const failing = faultyClient(endpoint, calls, async (_command, next) => {
        if (faults-- > 0) throw fault;
        return await next();
      });
      const waits: number[] = [];
      const store = storeOf(generation, { client: failing, wait: async (ms) => waits.push(ms) });
      await store.commit([commitOf({})]);
      expect([calls.length, waits.length]).toEqual([4, 3]);
      faults = Number.POSITIVE_INFINITY;
      await expect(store.commit([commitOf({ expectedVersion: 1 })])).rejects.toMatchObject({
        code: 'store-busy',
        retryable: true,
        cause: fault,
      });
      await expect(store.load([0])).rejects.toMatchObject({ code: 'store-busy', retryable: true });
      expect(calls.length).toBeLessThan(25);
      expect(Math.max(...waits)).toBeLessThanOrEqual(2_000);
    });

    it('is not tried again when it refuses', async () => {
      const calls: string[] = [];
      const store = storeOf(randomUUID(), { client: faultyClient(endpoint, calls, (_, next) => next()), tableName: 'another' });
      const refused = { code: 'store-refused', retryable: false, message: expect.stringContaining('the table "another" refused bucket 0') };
      await expect(store.commit([commitOf({})])).rejects.toMatchObject(refused);
      await expect(store.load([0])).rejects.toMatchObject(refused);
      expect(calls).toHaveLength(2);
    });
  });

  it('refuses what one transaction does not take, and saves the other buckets', async () => {
    const store = storeOf(randomUUID());
    const tooLarge = commitOf({ bucket: 1, state: new Uint8Array(4_000_001) });
    await expect(store.commit([commitOf({}), tooLarge, commitOf({ bucket: 2 })])).rejects.toMatchObject({
      code: 'checkpoint-too-large',
      retryable: false,
      bucket: 1,
    });
    expect((await store.load([0, 1, 2])).map(({ bucket }) => bucket)).toEqual([0, 2]);
    await store.commit([commitOf({ bucket: 1, state: new Uint8Array(3_990_000) })]);
  });

  describe('the outbox', () => {
    const many = Array.from({ length: 6_000 }, (_, i) => signalOf(i));

    it('holds more signals than one item takes, in order', async () => {
      const generation = randomUUID();
      const store = storeOf(generation);
      await store.commit([commitOf({ signals: many })]);
      await store.commit([commitOf({ expectedVersion: 1, signals: [signalOf(1)] })]);
      const items = await store.readOutbox(9);
      expect(items.map(({ version, signals }) => [version, signals.length])).toEqual([
        [1, many.length],
        [2, 1],
      ]);
      expect(items[0]?.signals).toEqual(many);
      expect(await store.readOutbox(1)).toEqual(items.slice(0, 1));
      expect((await sortKeysOf('outbox', generation)).length).toBeGreaterThan(4);
      await store.removeFromOutbox(items.slice(0, 1));
      await store.removeFromOutbox(items.slice(0, 1));
      expect(await store.readOutbox(9)).toEqual(items.slice(1));
    });

    it('gives the oldest first over all buckets, and never a version before the one it follows', async () => {
      vi.useFakeTimers({ toFake: ['Date'] });
      try {
        const store = storeOf(randomUUID());
        const commitAt = async (second: number, bucket: number, expectedVersion: number) => {
          vi.setSystemTime(1_700_000_000_000 + second * 1000);
          await store.commit([commitOf({ bucket, expectedVersion, signals: [signalOf(second)] })]);
        };
        await commitAt(20, 0, 0);
        await commitAt(5, 0, 1); // the clock was set back
        await commitAt(10, 1, 0);
        await commitAt(30, 1, 1);
        const items = await store.readOutbox(9);
        expect(items.map(({ bucket, version }) => `${bucket}/${version}`)).toEqual(['1/1', '0/1', '0/2', '1/2']);
        expect(await store.readOutbox(3)).toEqual(items.slice(0, 3));
      } finally {
        vi.useRealTimers();
      }
    });

    it('leaves out a version that is half removed', async () => {
      const generation = randomUUID();
      const store = storeOf(generation);
      await store.commit([commitOf({ signals: many })]);
      const items = await store.readOutbox(9);
      let deletions = 0;
      const dying = faultyClient(endpoint, [], async (command, next) => {
        if (command === 'DeleteItemCommand' && deletions++ > 0) throw serviceError('AccessDeniedException', 400);
        return await next();
      });
      await expect(storeOf(generation, { client: dying }).removeFromOutbox(items)).rejects.toMatchObject({ code: 'store-refused' });
      expect(await store.readOutbox(9)).toEqual([]);
      await store.removeFromOutbox(items);
      expect(await sortKeysOf('outbox', generation)).toEqual([]);
    });
  });

  it('keeps generations apart', async () => {
    const [running, next] = [storeOf(randomUUID()), storeOf(randomUUID())];
    await running.commit([commitOf({ signals: [signalOf(0)] })]);
    expect(await next.load([0])).toEqual([]);
    expect(await next.readOutbox(9)).toEqual([]);
    await next.commit([commitOf({ sequenceNumber: '5' })]);
    expect(await running.load([0])).toMatchObject([{ sequenceNumber: '1' }]);
  });

  it('tells what each commit has cost: twice its KB', async () => {
    const costs: CommitCost[] = [];
    const store = storeOf(randomUUID(), { onCommitted: (cost) => costs.push(cost) });
    await store.commit([commitOf({ state: new Uint8Array(10_000), signals: [signalOf(0)] })]);
    await store.commit([commitOf({ expectedVersion: 1, state: new Uint8Array(500 * kb) })]);
    await store.commit([commitOf({ expectedVersion: 2, state: new Uint8Array(100) })]);
    expect(costs.map(({ version, items }) => [version, items])).toEqual([
      [1, 2],
      [2, 2],
      [3, 2],
    ]);
    for (const { writeUnits, bytes, items } of costs.slice(0, 2)) {
      expect(writeUnits).toBeGreaterThanOrEqual((2 * bytes) / kb);
      expect(writeUnits).toBeLessThanOrEqual((2 * bytes) / kb + 2 * items);
    }
  });
});

/** A megabyte that differs would be printed byte by byte. */
function digested({ state, ...rest }: Checkpoint) {
  return { ...rest, bytes: state.length, state: hash('sha256', state) };
}

function commitOf(changes: Partial<Commit>): Commit {
  const { expectedVersion = 0 } = changes;
  return { bucket: 0, expectedVersion, sequenceNumber: `${expectedVersion + 1}`, state: Uint8Array.of(1, 2, 3), signals: [], ...changes };
}

function signalOf(i: number): Signal {
  return {
    signalId: `1_ema-cross_S${i}_1m_1381152600000`,
    symbol: `S${i}`,
    strategy: 'ema-cross',
    side: 'buy',
    intent: 'enter',
    windowStartMs: 1_381_152_600_000,
    windowEndMs: 1_381_152_660_000,
    price: 0.1 + i,
    confidence: 0.7,
    reasons: ['fast average crossed above slow', '“⇡”'],
  };
}

/** A client whose calls pass through `fault`, which may fail before or after them. The SDK's own retries are below it. */
function faultyClient(
  endpoint: string,
  calls: string[],
  fault: (command: string, next: () => Promise<unknown>, input: unknown) => Promise<unknown>,
): DynamoDBClient {
  const client = clientOf(endpoint);
  client.middlewareStack.add(
    (next, { commandName = '' }) =>
      async (args) => {
        calls.push(commandName);
        return (await fault(commandName, () => next(args), args.input)) as Awaited<ReturnType<typeof next>>;
      },
    { step: 'initialize', priority: 'high' },
  );
  return client;
}

function cancelled(...codes: string[]): Error {
  const CancellationReasons = codes.map((Code) => ({ Code }));
  return new TransactionCanceledException({ message: codes.join(), $metadata: { httpStatusCode: 400 }, CancellationReasons });
}

function serviceError(name: string, httpStatusCode: number): Error {
  return Object.assign(new Error(name), { name, $metadata: { httpStatusCode } });
}

function connectionReset(): Error {
  return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
}
