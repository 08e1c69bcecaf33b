import {
  type CancellationReason,
  DeleteItemCommand,
  type DynamoDBClient,
  type DynamoDBServiceException,
  GetItemCommand,
  paginateQuery,
  TransactionCanceledException,
  TransactionInProgressException,
  type TransactWriteItem,
  TransactWriteItemsCommand,
} from '@aws-sdk/client-dynamodb';
import { failureOf } from '../aws-failure.ts';
import { isOnlyBusy } from '../dynamodb-busy.ts';
import { type Backoff, type Wait, waitAfterAttempt } from '../backoff.ts';
import { inParallel } from '../in-parallel.ts';
import type { Checkpoint, CheckpointStore, Commit, OutboxItem } from './checkpoints.ts';
import { CheckpointTooLarge, CheckpointUnreadable, StoreBusy, StoreRefused } from './dynamodb-errors.ts';
import {
  bytesOf,
  chunkKeys,
  checkpointOf,
  type Head,
  headOf,
  type Item,
  itemsOf,
  type Key,
  outboxItemsOf,
  outboxPartition,
  outboxSortKey,
  type StoredOutboxItem,
  stateKey,
  statePartition,
  withObject,
} from './dynamodb-items.ts';
import { CheckpointConflict } from './errors.ts';

export type DynamoDbCheckpointsOptions = {
  readonly client: DynamoDBClient;
  readonly tableName: string;
  /** States and outboxes of different generations do not see each other. */
  readonly generation: string;
  readonly bucketCount: number;
  /**
   * Takes the states that are larger than `inTableBytesMax`: a put there has one price, whatever its size, and the table's rises with each KB.
   * @default every state is in the table
   */
  readonly objects?: StateObjects | undefined;
  /** @default 2,048: in a transaction that costs as much in the table as an object does */
  readonly inTableBytesMax?: number;
  /** How long published signals stay in the outbox, and how long those wait that nobody reads. @default 7 days */
  readonly outboxRetentionSec?: number;
  /** Is told what each commit cost. */
  readonly onCommitted?: (cost: CommitCost) => void;
  /** Waits between attempts. @default the clock's */
  readonly wait?: Wait;
};

/** Objects that give back at once what was put, however often their key is put. */
export interface StateObjects {
  /** Returns the name of what was put just now; of each put there is one of its own. */
  put(key: string, bytes: Uint8Array): Promise<string>;
  /** Undefined when there is none. */
  get(name: string): Promise<Uint8Array | undefined>;
  remove(name: string): Promise<void>;
}

export type CommitCost = {
  readonly bucket: number;
  readonly version: number;
  /** As the table has counted them: two for each KB in a transaction. */
  readonly writeUnits: number;
  readonly items: number;
  readonly bytes: number;
};

const outboxRetentionDefaultSec = 7 * 24 * 3600;
const inTableDefaultBytesMax = 2 * 1024;
const parallelMax = 8;
const attemptsMax = 8;
const backoff: Backoff = { baseMs: 50, maxMs: 2_000 };
/** @see https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html (4 MB, whichever way it is counted) */
const transactionMax = { items: 100, bytes: 4_000_000 };

/**
 * Checkpoints and outbox in one DynamoDB table. A bucket's commit is one transaction, and its condition on the version is the fence. The same
 * commit twice, as after an answer that got lost, is done once. Buckets go side by side, and one that fails does not hold up the others.
 *
 * A state in an object is put there first; the transaction then names it. So a commit that fails has changed nothing. What an older head names
 * stays, for as long as the bucket keeps it: the table can be restored to a point in time.
 */
export class DynamoDbCheckpoints implements CheckpointStore {
  readonly #options: DynamoDbCheckpointsOptions;
  readonly #backoff: Backoff;
  /** By bucket, as last seen: a commit must know which chunks become stale. */
  readonly #heads = new Map<number, Head>();

  constructor(options: DynamoDbCheckpointsOptions) {
    this.#options = options;
    this.#backoff = { ...backoff, wait: options.wait };
  }

  /** @throws StoreBusy, StoreRefused, CheckpointUnreadable */
  async load(buckets: readonly number[]): Promise<Checkpoint[]> {
    const loaded = await inParallel(buckets, parallelMax, (bucket) => this.#loadOne(bucket));
    return loaded.filter((checkpoint) => checkpoint !== undefined);
  }

  /** @throws CheckpointConflict, StoreBusy, StoreRefused, CheckpointTooLarge: all other buckets are saved then. */
  async commit(commits: readonly Commit[]): Promise<void> {
    const outcomes = await inParallel(commits, parallelMax, (commit) =>
      this.#commitOne(commit).catch((error: unknown) => ({ bucket: commit.bucket, error })),
    );
    const failed = outcomes.filter((outcome) => outcome !== undefined);
    const first = failed.find(({ error }) => !(error instanceof CheckpointConflict));
    if (first !== undefined) throw first.error;
    if (failed.length > 0) throw new CheckpointConflict({ buckets: failed.map(({ bucket }) => bucket) });
  }

  /** Asks every bucket: for repairs and tests. What publishes signals reads the table's stream. */
  async readOutbox(limit: number): Promise<OutboxItem[]> {
    const buckets = Array.from({ length: this.#options.bucketCount }, (_, bucket) => bucket);
    const items = oldestFirst(await inParallel(buckets, parallelMax, (bucket) => this.#readOutboxOf(bucket, limit)));
    return items.slice(0, limit).map(({ bucket, version, signals }) => ({ bucket, version, signals }));
  }

  async removeFromOutbox(items: readonly OutboxItem[]): Promise<void> {
    const { client, tableName: TableName, generation } = this.#options;
    await inParallel(items, parallelMax, async ({ bucket, version }) => {
      const parts = await this.#query(bucket, outboxPartition(generation, bucket), outboxSortKey(version));
      // In order: a version whose first part is gone is taken for removed.
      for (const { pk, sk } of parts) {
        await this.#attempt(bucket, () => client.send(new DeleteItemCommand({ TableName, Key: { pk, sk } as Item })));
      }
    });
  }

  async #loadOne(bucket: number): Promise<Checkpoint | undefined> {
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const items = await this.#query(bucket, statePartition(this.#options.generation, bucket));
      const checkpoint = checkpointOf(bucket, items);
      if (checkpoint !== 'torn') {
        if (items[0] === undefined || checkpoint === undefined) return undefined;
        const head = headOf(items[0]);
        this.#heads.set(bucket, head);
        return head.objectName === undefined ? checkpoint : { ...checkpoint, state: await this.#stateIn(bucket, head.objectName) };
      }
      await waitAfterAttempt(attempt, this.#backoff);
    }
    throw new StoreBusy({ bucket, attempts: attemptsMax });
  }

  async #stateIn(bucket: number, objectName: string): Promise<Uint8Array> {
    const { objects, generation } = this.#options;
    const state = await objects?.get(objectName);
    if (state !== undefined) return state;
    const reason = `its state is in the object "${objectName}", ${objects === undefined ? 'and this store was made without objects' : 'which is gone'}`;
    throw new CheckpointUnreadable({ key: `${statePartition(generation, bucket)}/state`, reason });
  }

  async #commitOne(commit: Commit): Promise<undefined> {
    const { bucket, state } = commit;
    const { generation, objects, inTableBytesMax = inTableDefaultBytesMax } = this.#options;
    const { outboxRetentionSec = outboxRetentionDefaultSec, onCommitted } = this.#options;
    const before = await this.#headBefore(commit);
    const object = state.length > inTableBytesMax ? objects : undefined;
    const expiresAtSec = Math.floor(Date.now() / 1000) + outboxRetentionSec;
    const { head, chunks, outbox } = itemsOf(commit, { generation, expiresAtSec, isInObject: object !== undefined });
    const stale = chunkKeys(generation, bucket, { from: chunks.length + 1, to: before?.chunkCount ?? 0 });
    const items = [head, ...chunks, ...outbox];
    const size = { items: items.length + stale.length, bytes: items.reduce((sum, item) => sum + bytesOf(item), 0) };
    if (size.items > transactionMax.items || size.bytes > transactionMax.bytes) throw new CheckpointTooLarge({ bucket, ...size });
    const objectName = await object?.put(`${generation}/${bucket}`, state);
    const named = withObject(head, objectName);
    const { writeUnits, saved } = await this.#transact(commit, headOf(named), [
      this.#fenced(named, commit),
      ...[...chunks, ...outbox].map(this.#put),
      ...stale.map(this.#delete),
    ]);
    if (saved.objectName !== objectName) await this.#removeObject(objectName);
    this.#heads.set(bucket, saved);
    onCommitted?.({ bucket, version: commit.expectedVersion + 1, writeUnits, ...size });
  }

  /** Of a commit that was not done: in front of the one that the head names, it would let that one be taken for replaced. */
  async #removeObject(objectName: string | undefined): Promise<void> {
    if (objectName !== undefined) await this.#options.objects?.remove(objectName);
  }

  /** What the commit replaces; a commit that will fail has nothing to replace. */
  async #headBefore({ bucket, expectedVersion }: Commit): Promise<Head | undefined> {
    if (expectedVersion === 0) return undefined;
    const known = this.#heads.get(bucket);
    if (known?.version === expectedVersion) return known;
    const { client, tableName: TableName, generation } = this.#options;
    const { Item: item } = await this.#attempt(bucket, () =>
      client.send(new GetItemCommand({ TableName, Key: { ...stateKey(generation, bucket, 0) }, ConsistentRead: true })),
    );
    return item && headOf(item);
  }

  /**
   * A transaction that was done before, its answer lost, has the version and the position that it wants to write. The object of one that was
   * surely not done is removed; while nobody knows, it stays: the head may name it.
   */
  async #transact(commit: Commit, wanted: Head, TransactItems: TransactWriteItem[]): Promise<{ writeUnits: number; saved: Head }> {
    let isUndone = true;
    try {
      return await this.#attempt(commit.bucket, async () => {
        try {
          const { ConsumedCapacity } = await this.#options.client.send(
            new TransactWriteItemsCommand({ TransactItems, ReturnConsumedCapacity: 'TOTAL' }),
          );
          return { writeUnits: (ConsumedCapacity ?? []).reduce((sum, { CapacityUnits = 0 }) => sum + CapacityUnits, 0), saved: wanted };
        } catch (error) {
          const fence = fenceOf(error);
          if (fence === undefined) {
            isUndone &&= isRejection(error);
            throw error;
          }
          const saved = fence.Item && headOf(fence.Item);
          if (saved?.version === wanted.version && saved.sequenceNumber === wanted.sequenceNumber) return { writeUnits: 0, saved };
          throw new CheckpointConflict({ buckets: [commit.bucket] });
        }
      });
    } catch (error) {
      if (isUndone || error instanceof CheckpointConflict) await this.#removeObject(wanted.objectName);
      throw error;
    }
  }

  #fenced(head: Item, { expectedVersion }: Commit): TransactWriteItem {
    const condition =
      expectedVersion === 0
        ? { ConditionExpression: 'attribute_not_exists(#version)' }
        : { ConditionExpression: '#version = :expected', ExpressionAttributeValues: { ':expected': { N: String(expectedVersion) } } };
    const { tableName: TableName } = this.#options;
    return {
      Put: {
        TableName,
        Item: head,
        ExpressionAttributeNames: { '#version': 'version' },
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        ...condition,
      },
    };
  }

  readonly #put = (item: Item): TransactWriteItem => ({ Put: { TableName: this.#options.tableName, Item: item } });

  readonly #delete = (key: Key): TransactWriteItem => ({ Delete: { TableName: this.#options.tableName, Key: { ...key } } });

  async #readOutboxOf(bucket: number, limit: number): Promise<StoredOutboxItem[]> {
    const partition = outboxPartition(this.#options.generation, bucket);
    return outboxItemsOf(bucket, await this.#query(bucket, partition, '', (items) => outboxItemsOf(bucket, items).length >= limit));
  }

  /** A partition's items in order of `sk`, as of now; all of them, or pages until there are enough. */
  #query(bucket: number, pk: string, skPrefix = '', isEnough: (items: readonly Item[]) => boolean = () => false): Promise<Item[]> {
    const { client, tableName: TableName } = this.#options;
    return this.#attempt(bucket, async () => {
      const items: Item[] = [];
      const pages = paginateQuery(
        { client },
        {
          TableName,
          KeyConditionExpression: skPrefix === '' ? 'pk = :pk' : 'pk = :pk AND begins_with(sk, :sk)',
          ExpressionAttributeValues: { ':pk': { S: pk }, ...(skPrefix !== '' && { ':sk': { S: skPrefix } }) },
          ConsistentRead: true,
        },
      );
      for await (const { Items = [] } of pages) {
        items.push(...Items);
        if (isEnough(items)) break;
      }
      return items;
    });
  }

  async #attempt<T>(bucket: number, call: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await call();
      } catch (cause) {
        const failure = isOnlyBusy(cause) ? 'passing' : failureOf(cause);
        if (failure === 'ours') throw cause;
        if (failure === 'refused') throw new StoreRefused({ bucket, tableName: this.#options.tableName, cause: cause as Error });
        if (attempt === attemptsMax) throw new StoreBusy({ bucket, attempts: attemptsMax, cause });
      }
      await waitAfterAttempt(attempt, this.#backoff);
    }
  }
}

/** Why the condition on the head failed, if it did. */
function fenceOf(error: unknown): CancellationReason | undefined {
  const head = error instanceof TransactionCanceledException ? error.CancellationReasons?.[0] : undefined;
  return head?.Code === 'ConditionalCheckFailed' ? head : undefined;
}

/** Whether DynamoDB said that it has not done it. Of its own faults, of cut connections and of time that ran out nobody knows. */
function isRejection(error: unknown): boolean {
  const { httpStatusCode = 500, attempts = 1 } = (error as Partial<DynamoDBServiceException>).$metadata ?? {};
  return httpStatusCode < 500 && attempts === 1 && !(error instanceof TransactionInProgressException);
}

function oldestFirst(byBucket: readonly (readonly StoredOutboxItem[])[]): StoredOutboxItem[] {
  const dated = byBucket.flatMap((items) => {
    let atSec = 0;
    return items.map((item) => {
      // A clock that was set back does not take a version before the one it follows.
      atSec = Math.max(atSec, item.expiresAtSec);
      return { item, atSec };
    });
  });
  return dated.sort((a, b) => a.atSec - b.atSec).map(({ item }) => item);
}
