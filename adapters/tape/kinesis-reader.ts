import { GetRecordsCommand, GetShardIteratorCommand, type GetRecordsCommandOutput, type KinesisClient } from '@aws-sdk/client-kinesis';
import { isAfter } from '../../core/consume.ts';
import { setTimeout as delay } from 'node:timers/promises';
import { type Backoff, waitAfterAttemptMs } from '../backoff.ts';
import { explainStreamFailure, isPassing } from './kinesis-errors.ts';
import { listShards, type Shard, startOf } from './kinesis-shards.ts';
import type { StoredRecord, TapeReader } from './sqlite-tape.ts';

export type KinesisReaderOptions = {
  readonly client: KinesisClient;
  readonly streamName: string;
  readonly bucketCount: number;
  /** What each bucket has read; a bucket without a position begins at the oldest record that the stream still holds. */
  readonly positions: ReadonlyMap<number, string>;
  /** How often a shard is asked that has nothing new. @default 500 */
  readonly pollEveryMs?: number;
  /** How many records a shard is asked for at once. @default 10,000, the most it gives */
  readonly fetchedMax?: number;
};

/**
 * A shard answers five times a second, to all of its readers together: the consumer in the cloud needs one.
 * @see https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
 */
const pollEveryMs = 500;
const pollBehindEveryMs = 210;
const backoff: Backoff = { baseMs: 200, maxMs: 5_000 };

/** A shard that is being read. `after` is the last record that was fetched, or where reading began. */
type Reading = {
  readonly shard: Shard;
  after: string;
  iterator: string | undefined;
  /** Fetched and not yet folded. */
  fetched: StoredRecord[];
  /** Whether the shard was split or merged and has no further records. */
  isAtEnd: boolean;
  millisBehind: number | undefined;
  /** Whether there was nothing more when it was last asked. */
  isAtLatest: boolean;
  attempt: number;
  dueMs: number;
};

/**
 * A Kinesis stream as a tape: `poll` fetches what there is, then the driver reads it. A shard that came of a split or a merge is read when its
 * parents were folded to their ends, so that a bucket's records keep their order. Holds at most one fetch of each shard, up to 10 MB.
 */
export class KinesisReader implements TapeReader {
  readonly #options: KinesisReaderOptions;
  #shards = new Map<string, Shard>();
  readonly #readings = new Map<string, Reading>();
  /** Shards that were folded to their ends, or whose buckets all were past them. */
  readonly #over = new Set<string>();
  #isListOld = true;

  constructor(options: KinesisReaderOptions) {
    this.#options = options;
  }

  /** Whether every record that the stream held at the last `poll` was folded. */
  get isCaughtUp(): boolean {
    this.#settle();
    const readings = [...this.#readings.values()];
    const isAllBegun = [...this.#shards.keys()].every((shardId) => this.#over.has(shardId) || this.#readings.has(shardId));
    return !this.#isListOld && isAllBegun && readings.length > 0 && readings.every(({ isAtLatest }) => isAtLatest);
  }

  /** How far the shard that is furthest behind was behind the stream's end when it was last asked; undefined before all were. */
  get millisBehind(): number | undefined {
    const behind = [...this.#readings.values()].map(({ millisBehind }) => millisBehind);
    return behind.some((ms) => ms === undefined) ? undefined : Math.max(0, ...(behind as number[]));
  }

  /**
   * Fetches from every shard whose records were all read, waiting until one may be asked. A shard that fails for a reason that may pass is
   * asked again later. @throws StreamError
   */
  async poll(signal?: AbortSignal): Promise<void> {
    try {
      await this.#beginShards();
      const readings = [...this.#readings.values()];
      if (readings.some(({ fetched }) => fetched.length > 0)) return;
      const dueMs = readings.length === 0 ? performance.now() + pollEveryMs : Math.min(...readings.map((reading) => reading.dueMs));
      await pause(dueMs - performance.now(), signal);
      if (signal?.aborted) return;
      const nowMs = performance.now();
      await Promise.all(readings.filter((reading) => reading.dueMs <= nowMs).map((reading) => this.#fetch(reading)));
    } catch (error) {
      throw explainStreamFailure(error, this.#options.streamName);
    }
  }

  shardIds(): string[] {
    this.#settle();
    return [...this.#readings.keys()];
  }

  read(
    shardId: string,
    after: string,
    { recordsMax, bytesMax }: { readonly recordsMax: number; readonly bytesMax: number },
  ): StoredRecord[] {
    const reading = this.#readings.get(shardId);
    if (reading === undefined) return [];
    // What the driver reads behind, it has folded.
    const from = reading.fetched.findIndex(({ sequenceNumber }) => isAfter(sequenceNumber, after));
    reading.fetched = from < 0 ? [] : reading.fetched.slice(from);
    const records: StoredRecord[] = [];
    let bytes = 0;
    for (const record of reading.fetched) {
      bytes += record.data.length;
      if (records.length === recordsMax || (records.length > 0 && bytes > bytesMax)) break;
      records.push(record);
    }
    return records;
  }

  /** Takes the shards off that were folded to their ends. */
  #settle(): void {
    for (const [shardId, { isAtEnd, fetched }] of this.#readings) {
      if (!isAtEnd || fetched.length > 0) continue;
      this.#readings.delete(shardId);
      this.#over.add(shardId);
      this.#isListOld = true;
    }
  }

  async #beginShards(): Promise<void> {
    const { bucketCount, positions } = this.#options;
    this.#settle();
    if (this.#isListOld || this.#readings.size === 0) await this.#list();
    // Parents are listed before their children, and what is over at once lets its children begin.
    for (const shard of this.#shards.values()) {
      const isOver = (shardId: string) => this.#over.has(shardId) || !this.#shards.has(shardId);
      if (this.#over.has(shard.shardId) || this.#readings.has(shard.shardId) || !shard.parentIds.every(isOver)) continue;
      const after = startOf(shard, bucketCount, positions);
      if (after === undefined) this.#over.add(shard.shardId);
      else this.#readings.set(shard.shardId, newReading(shard, after));
    }
  }

  /** After the first time, it goes on with the shards that are known when the service fails for a while. */
  async #list(): Promise<void> {
    const { client, streamName } = this.#options;
    try {
      this.#shards = new Map((await listShards(client, streamName)).map((shard) => [shard.shardId, shard]));
      this.#isListOld = false;
    } catch (error) {
      if (!isPassing(error) || this.#shards.size === 0) throw error;
      this.#isListOld = true;
    }
  }

  async #fetch(reading: Reading): Promise<void> {
    const { client, pollEveryMs: everyMs = pollEveryMs, fetchedMax: Limit = fetchedMax } = this.#options;
    try {
      reading.iterator ??= await this.#iteratorOf(reading);
      const answer = await client.send(new GetRecordsCommand({ ShardIterator: reading.iterator, Limit }));
      reading.fetched = recordsOf(answer, reading.shard.shardId);
      reading.after = reading.fetched.at(-1)?.sequenceNumber ?? reading.after;
      reading.iterator = answer.NextShardIterator;
      reading.isAtEnd = answer.NextShardIterator === undefined;
      reading.millisBehind = answer.MillisBehindLatest ?? 0;
      reading.isAtLatest = reading.fetched.length === 0 && reading.millisBehind === 0;
      reading.attempt = 0;
      reading.dueMs = performance.now() + Math.min(everyMs, reading.millisBehind > 0 ? pollBehindEveryMs : everyMs);
    } catch (error) {
      if (!isPassing(error)) throw error;
      // An iterator lives for five minutes, and what failed may have been it.
      reading.iterator = undefined;
      reading.dueMs = performance.now() + waitAfterAttemptMs(++reading.attempt, backoff);
    }
  }

  async #iteratorOf(reading: Reading): Promise<string | undefined> {
    const { client, streamName: StreamName } = this.#options;
    const ShardId = reading.shard.shardId;
    if (reading.after !== '') {
      try {
        const StartingSequenceNumber = reading.after;
        const from = { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber } as const;
        return (await client.send(new GetShardIteratorCommand({ StreamName, ShardId, ...from }))).ShardIterator;
      } catch (error) {
        if (!isOfAnotherShard(error)) throw error;
        // Then from its start: what its buckets have read, the fold skips.
        reading.after = '';
      }
    }
    return (await client.send(new GetShardIteratorCommand({ StreamName, ShardId, ShardIteratorType: 'TRIM_HORIZON' }))).ShardIterator;
  }
}

/** Where the ranges of the shards are not to be relied on, a bucket's position may be in a shard before or behind. */
function isOfAnotherShard(error: unknown): boolean {
  return ['InvalidArgumentException', 'ResourceNotFoundException'].includes((error as Error | null)?.name ?? '');
}

const fetchedMax = 10_000;

function newReading(shard: Shard, after: string): Reading {
  return {
    shard,
    after,
    iterator: undefined,
    fetched: [],
    isAtEnd: false,
    millisBehind: undefined,
    isAtLatest: false,
    attempt: 0,
    dueMs: 0,
  };
}

function recordsOf({ Records = [] }: GetRecordsCommandOutput, shardId: string): StoredRecord[] {
  return Records.map(({ SequenceNumber = '', PartitionKey = '', ApproximateArrivalTimestamp, Data = new Uint8Array() }) => ({
    sequenceNumber: SequenceNumber,
    shardId,
    partitionKey: PartitionKey,
    arrivalTimeMs: ApproximateArrivalTimestamp?.getTime() ?? 0,
    data: Data,
  }));
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (ms > 0) await delay(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
}
