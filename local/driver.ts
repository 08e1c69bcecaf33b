import type { StoredRecord, TapeReader } from '../adapters/tape/sqlite-tape.ts';
import type { ConsumeEvent, ConsumeResponse, TravellingState } from '../lambdas/consume-kinesis.ts';

export type DriverOptions = {
  readonly tape: TapeReader;
  readonly handler: (event: ConsumeEvent) => Promise<ConsumeResponse>;
  /** Where each shard is read from: the smallest position that all of its buckets have saved; '' for the start. */
  readonly startAfter: string;
  readonly windowSizeMs: number;
  /** @default 10,000, as Lambda's */
  readonly recordsMax?: number;
  /** @default 4 MiB of data, which is about Lambda's 6 MB of base64 */
  readonly bytesMax?: number;
};

type OpenWindow = { readonly startMs: number; state: TravellingState };
type Shard = { readonly shardId: string; after: string; window: OpenWindow | undefined };

/**
 * Does what Lambda's event source mapping does for a stream with a tumbling window: reads each shard in order, cuts its records into windows by
 * arrival time, hands batches to the handler with the window's state, and ends each window with a final invoke.
 */
export class Driver {
  readonly #options: Required<DriverOptions>;
  readonly #shards = new Map<string, Shard>();

  constructor(options: DriverOptions) {
    this.#options = { recordsMax: 10_000, bytesMax: 4 * 1024 * 1024, ...options };
  }

  /** Hands over all that is on the tape now. */
  async pump(): Promise<void> {
    const shardIds = this.#options.tape.shardIds();
    for (const shard of this.#shards.values()) if (!shardIds.includes(shard.shardId)) await this.#endShard(shard);
    for (const shardId of shardIds) {
      const shard = this.#shards.get(shardId) ?? { shardId, after: this.#options.startAfter, window: undefined };
      this.#shards.set(shardId, shard);
      while (await this.#handBatch(shard));
    }
  }

  /** Ends the windows that a clock says are over; a quiet shard closes its window too. */
  async tick(nowMs: number): Promise<void> {
    for (const shard of this.#shards.values()) {
      if (shard.window !== undefined && nowMs >= shard.window.startMs + this.#options.windowSizeMs) await this.#endWindow(shard);
    }
  }

  /** Ends every window, so that all that was folded is saved. */
  async close(): Promise<void> {
    for (const shard of this.#shards.values()) if (shard.window !== undefined) await this.#endWindow(shard);
  }

  async #handBatch(shard: Shard): Promise<boolean> {
    const { tape, recordsMax, bytesMax, windowSizeMs } = this.#options;
    const records = tape.read(shard.shardId, shard.after, { recordsMax, bytesMax });
    const first = records[0];
    if (first === undefined) return false;
    // A clock that was set back does not take a record into a window that is over.
    const startMs = Math.max(windowStartOf(first), shard.window?.startMs ?? Number.NEGATIVE_INFINITY);
    if (shard.window !== undefined && shard.window.startMs !== startMs) await this.#endWindow(shard);
    shard.window ??= { startMs, state: {} };
    const nextWindow = records.findIndex((record) => record.arrivalTimeMs >= startMs + windowSizeMs);
    const batch = nextWindow < 0 ? records : records.slice(0, nextWindow);
    await this.#invoke(shard, shard.window, batch, false);
    shard.after = (batch.at(-1) as StoredRecord).sequenceNumber;
    return true;

    function windowStartOf({ arrivalTimeMs }: StoredRecord): number {
      return Math.floor(arrivalTimeMs / windowSizeMs) * windowSizeMs;
    }
  }

  /** A shard that was split or merged is read to its end before those that go on for it. */
  async #endShard(shard: Shard): Promise<void> {
    if (shard.window !== undefined) await this.#endWindow(shard);
    this.#shards.delete(shard.shardId);
  }

  async #endWindow(shard: Shard): Promise<void> {
    await this.#invoke(shard, shard.window as OpenWindow, [], true);
    shard.window = undefined;
  }

  async #invoke(shard: Shard, window: OpenWindow, records: readonly StoredRecord[], isFinalInvokeForWindow: boolean): Promise<void> {
    const { handler, windowSizeMs } = this.#options;
    const { state } = await handler({
      Records: records.map(({ data, partitionKey, sequenceNumber, arrivalTimeMs }) => ({
        eventID: `${shard.shardId}:${sequenceNumber}`,
        kinesis: {
          data: Buffer.from(data.buffer, data.byteOffset, data.length).toString('base64'),
          partitionKey,
          sequenceNumber,
          approximateArrivalTimestamp: arrivalTimeMs / 1000,
        },
      })),
      window: { start: new Date(window.startMs).toISOString(), end: new Date(window.startMs + windowSizeMs).toISOString() },
      state: window.state,
      shardId: shard.shardId,
      isFinalInvokeForWindow,
      isWindowTerminatedEarly: false,
    });
    window.state = state;
  }
}
