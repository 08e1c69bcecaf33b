import { type KinesisClient, PutRecordsCommand, type PutRecordsResultEntry } from '@aws-sdk/client-kinesis';
import { bucketOfPartitionKey, hashKeyOf } from '../../core/bucket.ts';
import { type Backoff, type Wait, waitAfterAttempt } from '../backoff.ts';
import { explainStreamFailure, isPassing } from './kinesis-errors.ts';
import { listShards } from './kinesis-shards.ts';
import { ShardPace } from './shard-pace.ts';
import type { StoredRecord } from './sqlite-tape.ts';

/** A frame on its way, with its number on the outgoing log. */
export type OutgoingRecord = Pick<StoredRecord, 'sequenceNumber' | 'partitionKey' | 'arrivalTimeMs' | 'data'>;

export type KinesisWriterOptions = {
  readonly client: KinesisClient;
  readonly streamName: string;
  /** As the consumer has it. */
  readonly bucketCount: number;
  /** More than this waiting makes `write` wait. @default 64 MiB */
  readonly waitingBytesMax?: number;
  /** Waits between attempts. @default the clock's */
  readonly wait?: Wait;
};

export type WriterNow = {
  /** Stored by this writer, repeats not counted. */
  readonly frames: number;
  readonly bytes: number;
  readonly calls: number;
  /** Frames that failed and were put again, by what the service said. */
  readonly failures: Readonly<Record<string, number>>;
  readonly waitingFrames: number;
  readonly waitingBytes: number;
  /** When the oldest frame that waits was read; undefined when none waits. */
  readonly waitingSinceMs: number | undefined;
};

/**
 * A call takes 500 records and 10 MiB, keys included.
 * @see https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
 */
const callMax = { records: 500, bytes: 10 * 1024 * 1024 };
const callsMax = 8;
const backoff: Backoff = { baseMs: 100, maxMs: 5_000 };
const learnShardsEveryMs = 30_000;

/** The frames of one bucket that wait, in order. The first may be on its way. */
type Lane = { readonly waiting: OutgoingRecord[]; readonly hashKey: bigint; isBusy: boolean; attempt: number };

/**
 * Puts frames into a stream so that those of one bucket lie there in their order, some perhaps twice: a call holds at most one frame of a
 * bucket, and the next one goes only when the service has said that the one before is stored. What failed is put again, as long as it takes,
 * unless the service says that it never will.
 */
export class KinesisWriter {
  readonly #options: KinesisWriterOptions;
  readonly #backoff: Backoff;
  readonly #waitingBytesMax: number;
  readonly #pace = new ShardPace();
  /** By partition key; those that had their turn are last. */
  readonly #lanes = new Map<string, Lane>();
  readonly #failures: Record<string, number> = {};
  #stored: string[] = [];
  #frames = 0;
  #bytes = 0;
  #calls = 0;
  #callsOpen = 0;
  #waitingFrames = 0;
  #waitingBytes = 0;
  #paceTimer: NodeJS.Timeout | undefined;
  #shardsLearnedMs = Number.NEGATIVE_INFINITY;
  #wakers: (() => void)[] = [];
  #failure: { readonly error: unknown } | undefined;
  #isClosed = false;

  constructor(options: KinesisWriterOptions) {
    this.#options = options;
    this.#waitingBytesMax = options.waitingBytesMax ?? 64 * 1024 * 1024;
    this.#backoff = { ...backoff, wait: options.wait };
  }

  /**
   * Takes frames, those of a bucket in order, and returns when there is room for more, or when `signal` is aborted.
   * @throws StreamError once the service has refused a call
   */
  async write(records: readonly OutgoingRecord[], signal?: AbortSignal): Promise<void> {
    await this.#learnShards();
    for (const record of records) {
      this.#laneOf(record.partitionKey).waiting.push(record);
      this.#waitingFrames++;
      this.#waitingBytes += bytesOf(record);
    }
    this.#send();
    await this.#until(() => this.#waitingBytes <= this.#waitingBytesMax, signal);
  }

  /** Returns when all is stored, or when `signal` is aborted. @throws StreamError once the service has refused a call */
  async drain(signal?: AbortSignal): Promise<void> {
    await this.#until(() => this.#waitingFrames === 0, signal);
  }

  /** The numbers of the frames that were stored since this was asked last. */
  takeStored(): string[] {
    const stored = this.#stored;
    this.#stored = [];
    return stored;
  }

  get now(): WriterNow {
    const oldestMs = [...this.#lanes.values()].flatMap(({ waiting }) => waiting[0]?.arrivalTimeMs ?? []);
    return {
      frames: this.#frames,
      bytes: this.#bytes,
      calls: this.#calls,
      failures: this.#failures,
      waitingFrames: this.#waitingFrames,
      waitingBytes: this.#waitingBytes,
      waitingSinceMs: oldestMs.length === 0 ? undefined : oldestMs.reduce((least, ms) => Math.min(least, ms)),
    };
  }

  /** Nothing more goes out. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#paceTimer);
  }

  #laneOf(partitionKey: string): Lane {
    const known = this.#lanes.get(partitionKey);
    if (known !== undefined) return known;
    const { bucketCount } = this.#options;
    const hashKey = hashKeyOf(bucketOfPartitionKey(partitionKey, bucketCount), bucketCount);
    const lane: Lane = { waiting: [], hashKey, isBusy: false, attempt: 0 };
    this.#lanes.set(partitionKey, lane);
    return lane;
  }

  #send(): void {
    clearTimeout(this.#paceTimer);
    while (this.#callsOpen < callsMax && !this.#isClosed && this.#failure === undefined) {
      const { call, waitMs } = this.#nextCall(performance.now());
      if (call.length > 0) {
        void this.#put(call);
        continue;
      }
      if (waitMs > 0 && Number.isFinite(waitMs)) this.#paceTimer = setTimeout(() => this.#send(), waitMs);
      return;
    }
  }

  /** The first frame of each lane that may go now; else how long until the pace lets one go. */
  #nextCall(nowMs: number): { call: [Lane, OutgoingRecord][]; waitMs: number } {
    const call: [Lane, OutgoingRecord][] = [];
    let bytes = 0;
    let waitMs = Number.POSITIVE_INFINITY;
    for (const [key, lane] of [...this.#lanes]) {
      const record = lane.waiting[0];
      if (record === undefined || lane.isBusy) continue;
      const paceMs = this.#pace.waitMs(lane.hashKey, bytesOf(record), nowMs);
      waitMs = Math.min(waitMs, paceMs);
      if (paceMs > 0) continue;
      bytes += bytesOf(record);
      if (call.length === callMax.records || bytes > callMax.bytes) break;
      this.#pace.take(lane.hashKey, bytesOf(record), nowMs);
      lane.isBusy = true;
      this.#lanes.delete(key);
      this.#lanes.set(key, lane);
      call.push([lane, record]);
    }
    return { call, waitMs };
  }

  async #put(call: readonly [Lane, OutgoingRecord][]): Promise<void> {
    this.#callsOpen++;
    this.#calls++;
    try {
      const failures = await this.#failuresOf(call);
      for (const [i, [lane, record]] of call.entries()) {
        const failure = failures[i];
        if (failure === undefined) this.#markStored(lane, record);
        else this.#putAgain(lane, failure);
      }
    } catch (error) {
      this.#failure ??= { error: explainStreamFailure(error, this.#options.streamName) };
    } finally {
      this.#callsOpen--;
      this.#wake();
      this.#send();
    }
  }

  /** For each record why it is not stored, as far as is known; undefined for one that is. @throws when the service refuses the call */
  async #failuresOf(call: readonly [Lane, OutgoingRecord][]): Promise<(string | undefined)[]> {
    const { client, streamName: StreamName } = this.#options;
    const Records = call.map(([{ hashKey }, { partitionKey: PartitionKey, data: Data }]) => ({
      PartitionKey,
      ExplicitHashKey: String(hashKey),
      Data,
    }));
    try {
      const { Records: results = [] } = await client.send(new PutRecordsCommand({ StreamName, Records }));
      return call.map((_, i) => failureOfEntry(results[i]));
    } catch (error) {
      if (!isPassing(error)) throw error;
      return call.map(() => (error as Error).name);
    }
  }

  #markStored(lane: Lane, record: OutgoingRecord): void {
    lane.waiting.shift();
    lane.isBusy = false;
    lane.attempt = 0;
    this.#stored.push(record.sequenceNumber);
    this.#frames++;
    this.#bytes += bytesOf(record);
    this.#waitingFrames--;
    this.#waitingBytes -= bytesOf(record);
  }

  #putAgain(lane: Lane, failure: string): void {
    this.#failures[failure] = (this.#failures[failure] ?? 0) + 1;
    void waitAfterAttempt(++lane.attempt, this.#backoff).then(() => {
      lane.isBusy = false;
      this.#send();
    });
  }

  /** Now and then, as the stream may be scaled. Who may not list shards has no pace, and is throttled instead. */
  async #learnShards(): Promise<void> {
    const nowMs = performance.now();
    if (nowMs - this.#shardsLearnedMs < learnShardsEveryMs) return;
    this.#shardsLearnedMs = nowMs;
    try {
      this.#pace.learn(await listShards(this.#options.client, this.#options.streamName));
    } catch {
      this.#pace.learn([]);
    }
  }

  async #until(isSo: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    signal?.addEventListener('abort', this.#wake);
    try {
      while (this.#failure !== undefined || !isSo()) {
        if (this.#failure !== undefined) throw this.#failure.error;
        if (signal?.aborted) return;
        await new Promise<void>((resolve) => this.#wakers.push(resolve));
      }
    } finally {
      signal?.removeEventListener('abort', this.#wake);
    }
  }

  readonly #wake = (): void => {
    for (const wake of this.#wakers.splice(0)) wake();
  };
}

function bytesOf({ partitionKey, data }: OutgoingRecord): number {
  return partitionKey.length + data.length;
}

function failureOfEntry(result: PutRecordsResultEntry | undefined): string | undefined {
  if (result?.SequenceNumber !== undefined && result.ErrorCode === undefined) return undefined;
  return result?.ErrorCode ?? 'NoAnswer';
}
