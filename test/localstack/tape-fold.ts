import { decodeRecord } from '../../adapters/frames/decode.ts';
import { KinesisReader } from '../../adapters/tape/kinesis-reader.ts';
import type { StoredRecord } from '../../adapters/tape/sqlite-tape.ts';
import { BucketState, emptyOutcome } from '../../core/bucket-state.ts';
import { advance } from '../../core/consume.ts';
import type { Pipeline } from '../../core/pipeline.ts';
import type { Signal } from '../../core/signal.ts';
import type { Deployed } from './deployed.ts';

export type TapeFoldOptions = { readonly pipeline: Pipeline; readonly client: Deployed['kinesis']; readonly streamName: string };

/** The stream folded here, record by record in the order of the log: what the deployed consumer must have made of it. */
export class TapeFold {
  readonly states = new Map<number, BucketState>();
  /** Of the stream so far, in the order of each shard. */
  readonly records: StoredRecord[] = [];
  readonly #options: TapeFoldOptions;

  constructor(options: TapeFoldOptions) {
    this.#options = options;
  }

  /** By bucket, the last record that was folded. */
  get positions(): Map<number, string> {
    return new Map([...this.states].map(([bucket, { sequenceNumber }]) => [bucket, sequenceNumber]));
  }

  /** A reader of the stream behind what was folded. */
  reader(): KinesisReader {
    const { pipeline, client, streamName } = this.#options;
    return new KinesisReader({ client, streamName, bucketCount: pipeline.bucketCount, positions: this.positions, pollEveryMs: 20 });
  }

  /** Folds all that is in the stream now. A new reader asks every shard before it has caught up. */
  async catchUp(): Promise<void> {
    const reader = this.reader();
    const after = new Map<string, string>();
    do {
      await reader.poll();
      for (const shardId of reader.shardIds()) {
        const records = reader.read(shardId, after.get(shardId) ?? '', { recordsMax: 10_000, bytesMax: Number.POSITIVE_INFINITY });
        for (const record of records) this.fold(record);
        this.records.push(...records);
        after.set(shardId, records.at(-1)?.sequenceNumber ?? after.get(shardId) ?? '');
        // What was read is let go when it is asked for what comes behind.
        reader.read(shardId, after.get(shardId) ?? '', { recordsMax: 1, bytesMax: 1 });
      }
    } while (!reader.isCaughtUp);
  }

  /** Folds a record, which the stream may bring once more, and returns its signals. */
  fold(record: StoredRecord): Signal[] {
    const bucket = Number(record.partitionKey);
    const state = this.states.get(bucket) ?? new BucketState(this.#options.pipeline, bucket);
    this.states.set(bucket, state);
    return advance(state, [decodeRecord(record, bucket)], emptyOutcome()).signals;
  }
}
