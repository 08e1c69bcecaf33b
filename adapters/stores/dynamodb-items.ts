import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import type { LinkedSignal } from '../../core/signal.ts';
import type { Checkpoint, Commit, OutboxItem } from './checkpoints.ts';
import { CheckpointUnreadable } from './dynamodb-errors.ts';

/**
 * One table, `pk` and `sk` strings, `expiresAtSec` its time to live:
 *
 *     pk                        sk                     attributes
 *     bucket#<generation>#<b>   state                  version, sequenceNumber, chunkCount, chunk; or, with chunkCount 0, objectName
 *                               state#0001 …           version, chunk
 *     outbox#<generation>#<b>   0000000000000012       version, partCount, signals (JSON), expiresAtSec
 *                               0000000000000012#0001  the same, when the signals outgrow one item
 */
export type Item = Record<string, AttributeValue>;
export type Key = { readonly pk: AttributeValue.SMember; readonly sk: AttributeValue.SMember };

/** An item takes 400 KB with its keys and names. @see https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html */
const contentBytesMax = 380 * 1024;

export type BucketItems = { readonly head: Item; readonly chunks: readonly Item[]; readonly outbox: readonly Item[] };

export type ItemOptions = {
  readonly generation: string;
  readonly expiresAtSec: number;
  /** The head then names the object, as `withObject` adds it: the state is not among these items. */
  readonly isInObject: boolean;
};

/** What a commit writes. */
export function itemsOf(commit: Commit, { generation, expiresAtSec, isInObject }: ItemOptions): BucketItems {
  const version = commit.expectedVersion + 1;
  const [first, ...rest] = isInObject ? [] : chunksOf(commit.state);
  const parts = partsOf(commit.signals);
  return {
    head: {
      ...stateKey(generation, commit.bucket, 0),
      version: number(version),
      sequenceNumber: { S: commit.sequenceNumber },
      ...(first === undefined ? { chunkCount: number(0) } : { chunkCount: number(rest.length + 1), chunk: { B: first } }),
    },
    chunks: rest.map((chunk, i) => ({ ...stateKey(generation, commit.bucket, i + 1), version: number(version), chunk: { B: chunk } })),
    outbox: parts.map((signals, part) => ({
      ...outboxKey(generation, commit.bucket, version, part),
      version: number(version),
      partCount: number(parts.length),
      signals: { S: signals },
      expiresAtSec: number(expiresAtSec),
    })),
  };
}

/** The head once its state has been put. */
export function withObject(head: Item, objectName: string | undefined): Item {
  return objectName === undefined ? head : { ...head, objectName: { S: objectName } };
}

/** The chunks of a state from index `from` up to `to`, which is left out. */
export function chunkKeys(generation: string, bucket: number, { from, to }: { from: number; to: number }): Key[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => stateKey(generation, bucket, from + i));
}

export function statePartition(generation: string, bucket: number): string {
  return `bucket#${generation}#${bucket}`;
}

export function stateKey(generation: string, bucket: number, chunk: number): Key {
  return key(statePartition(generation, bucket), stateSortKey(chunk));
}

function stateSortKey(chunk: number): string {
  return chunk === 0 ? 'state' : `state#${padded(chunk, 4)}`;
}

export function outboxPartition(generation: string, bucket: number): string {
  return `outbox#${generation}#${bucket}`;
}

/** All parts of a version's signals begin with this. */
export function outboxSortKey(version: number): string {
  return padded(version, 16);
}

export type Head = {
  readonly version: number;
  readonly sequenceNumber: string;
  readonly chunkCount: number;
  /** The object that holds the state, when the table does not. */
  readonly objectName: string | undefined;
};

export function headOf(item: Item): Head {
  return {
    version: readNumber(item, 'version'),
    sequenceNumber: readText(item, 'sequenceNumber'),
    chunkCount: readNumber(item, 'chunkCount'),
    objectName: item['objectName']?.S,
  };
}

/** A bucket's checkpoint of what one query of its partition gave, without its state where an object has it; `torn` when a commit came between its items. */
export function checkpointOf(bucket: number, items: readonly Item[]): Checkpoint | 'torn' | undefined {
  const [first] = items;
  if (first === undefined) return undefined;
  if (first['sk']?.S !== stateSortKey(0)) return 'torn';
  const { version, sequenceNumber, chunkCount } = headOf(first);
  const ofState = items.slice(0, chunkCount);
  if (ofState.length < chunkCount || ofState.some((item) => readNumber(item, 'version') !== version)) return 'torn';
  const chunks = ofState.map((item) => item['chunk']?.B ?? unreadable(item, 'it has no bytes in "chunk"'));
  return { bucket, version, sequenceNumber, state: new Uint8Array(Buffer.concat(chunks)) };
}

export type StoredOutboxItem = OutboxItem & { readonly expiresAtSec: number };

/**
 * The outbox items of one partition's parts, in order of version. A version that lacks parts is being removed, and left out. One that was
 * committed once more, after a restore, may have parts behind its own that are left from before, when they were more.
 */
export function outboxItemsOf(bucket: number, items: readonly Item[]): StoredOutboxItem[] {
  const parts = Map.groupBy(items, (item) => readNumber(item, 'version'));
  return [...parts].flatMap(([version, ofVersion]) => {
    const [first] = ofVersion as [Item, ...Item[]];
    const partCount = readNumber(first, 'partCount');
    const own = ofVersion.filter((item) => readNumber(item, 'partCount') === partCount);
    if (own.length < partCount) return [];
    const signals = own.flatMap((item) => JSON.parse(readText(item, 'signals')) as LinkedSignal[]);
    return [{ bucket, version, signals, expiresAtSec: readNumber(first, 'expiresAtSec') }];
  });
}

/** As DynamoDB counts an item: the UTF-8 names and the values. */
export function bytesOf(item: Item): number {
  return Object.entries(item).reduce(
    (sum, [name, value]) => sum + name.length + (value.B?.length ?? Buffer.byteLength(value.S ?? value.N ?? '')),
    0,
  );
}

function chunksOf(state: Uint8Array): Uint8Array[] {
  const count = Math.max(1, Math.ceil(state.length / contentBytesMax));
  return Array.from({ length: count }, (_, i) => state.subarray(i * contentBytesMax, (i + 1) * contentBytesMax));
}

/** JSON arrays that together hold the signals in order; a signal is never cut. */
function partsOf(signals: readonly LinkedSignal[]): string[] {
  const parts: string[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const signal of signals) {
    const json = JSON.stringify(signal);
    const length = Buffer.byteLength(json) + 1;
    if (bytes + length > contentBytesMax) {
      parts.push([]);
      bytes = 1;
    }
    parts.at(-1)?.push(json);
    bytes += length;
  }
  return parts.map((part) => `[${part.join(',')}]`);
}

function outboxKey(generation: string, bucket: number, version: number, part: number): Key {
  return key(outboxPartition(generation, bucket), part === 0 ? outboxSortKey(version) : `${outboxSortKey(version)}#${padded(part, 4)}`);
}

function key(pk: string, sk: string): Key {
  return { pk: { S: pk }, sk: { S: sk } } as Key;
}

function padded(value: number, digits: number): string {
  return String(value).padStart(digits, '0');
}

function number(value: number): AttributeValue {
  return { N: String(value) };
}

function readNumber(item: Item, name: string): number {
  const value = Number(item[name]?.N ?? Number.NaN);
  return Number.isSafeInteger(value) ? value : unreadable(item, `it has no whole number in "${name}"`);
}

function readText(item: Item, name: string): string {
  return item[name]?.S ?? unreadable(item, `it has no text in "${name}"`);
}

function unreadable(item: Item, reason: string): never {
  throw new CheckpointUnreadable({ key: `${item['pk']?.S}/${item['sk']?.S}`, reason });
}
