import { type KinesisClient, PutRecordsCommand, type PutRecordsRequestEntry } from '@aws-sdk/client-kinesis';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashKeyOf } from '../../../core/bucket.ts';
import { KinesisWriter, type OutgoingRecord } from '../../../adapters/tape/kinesis-writer.ts';

const bucketCount = 2_000;

/** A service whose answers wait until they are let go. */
class HeldKinesis {
  readonly calls: (readonly PutRecordsRequestEntry[])[] = [];
  #answers: (() => void)[] = [];
  isOpen = false;

  get client(): KinesisClient {
    return {
      send: (command: object) => (command instanceof PutRecordsCommand ? this.#take(command) : { Shards: [] }),
    } as unknown as KinesisClient;
  }

  get underWay(): readonly PutRecordsRequestEntry[] {
    return this.calls.slice(this.calls.length - this.#answers.length).flat();
  }

  answerOne(): void {
    this.#answers.shift()?.();
  }

  async #take({ input: { Records = [] } }: PutRecordsCommand) {
    this.calls.push(Records);
    if (!this.isOpen) await new Promise<void>((resolve) => this.#answers.push(resolve));
    return { Records: Records.map(() => ({ SequenceNumber: '1', ShardId: 'shard-0' })) };
  }
}

describe('calls', () => {
  it('hold at most one frame of a bucket, 500 records and 10 MiB, and no bucket is in two that are under way', async () => {
    const frames = fc.array(fc.tuple(fc.nat(700), fc.oneof(fc.constant(10), fc.constant(900_000))), { minLength: 1, maxLength: 900 });
    await fc.assert(
      fc.asyncProperty(frames, async (frames) => {
        const held = new HeldKinesis();
        const writer = new KinesisWriter({
          client: held.client,
          streamName: 'tape',
          bucketCount,
          waitingBytesMax: Number.POSITIVE_INFINITY,
        });
        const records = frames.map(([bucket, bytes], i) => recordOf(i, bucket, bytes));
        await writer.write(records);
        while (writer.now.waitingFrames > 0) {
          const keys = held.underWay.map(({ PartitionKey }) => PartitionKey);
          expect(new Set(keys).size).toBe(keys.length);
          held.answerOne();
          await settled();
        }
        for (const call of held.calls) {
          expect(call.length).toBeLessThanOrEqual(500);
          expect(
            call.reduce((sum, { Data, PartitionKey }) => sum + (Data?.length ?? 0) + (PartitionKey?.length ?? 0), 0),
          ).toBeLessThanOrEqual(10 * 1024 * 1024);
        }
        expect(held.calls.flat().length).toBe(records.length);
        expect(writer.takeStored().length).toBe(records.length);
      }),
      { numRuns: 20 },
    );
  });

  it('say where each bucket lies, so that the shards share them evenly', async () => {
    const held = new HeldKinesis();
    await new KinesisWriter({ client: held.client, streamName: 'tape', bucketCount: 16 }).write(
      range(16).map((bucket) => recordOf(bucket, bucket, 10)),
    );
    const [call = []] = held.calls;
    expect(call.map(({ ExplicitHashKey }) => ExplicitHashKey)).toEqual(range(16).map((bucket) => String(hashKeyOf(bucket, 16))));
    expect(call.map(({ PartitionKey }) => PartitionKey)).toEqual(range(16).map(String));
  });

  it('take many buckets at once', async () => {
    const held = new HeldKinesis();
    await new KinesisWriter({ client: held.client, streamName: 'tape', bucketCount }).write(
      Array.from({ length: 1_200 }, (_, i) => recordOf(i, i, 10)),
    );
    expect(held.calls.map((call) => call.length)).toEqual([500, 500, 200]);
  });
});

describe('back-pressure', () => {
  it('lets a feed go on when enough was stored, or when it is interrupted', async () => {
    const held = new HeldKinesis();
    const writer = new KinesisWriter({ client: held.client, streamName: 'tape', bucketCount, waitingBytesMax: 2_500 });
    await writer.write([recordOf(1, 0, 1_000), recordOf(2, 0, 1_000)]);
    let hasReturned = false;
    const writing = writer.write([recordOf(3, 1, 1_000)]).then(() => {
      hasReturned = true;
    });
    await settled();
    expect([hasReturned, writer.now.waitingFrames, writer.now.waitingSinceMs]).toEqual([false, 3, 1]);
    held.answerOne();
    await writing;
    expect([writer.now.waitingFrames, writer.takeStored(), writer.takeStored()]).toEqual([2, ['1'], []]);

    const interruption = new AbortController();
    const more = writer.write([recordOf(4, 0, 5_000)], interruption.signal);
    interruption.abort();
    await more;
    await writer.drain(interruption.signal);
    expect(writer.now.waitingFrames).toBe(3);
    held.isOpen = true;
    for (let i = 0; i < 3; i++) held.answerOne();
    await writer.drain();
    expect(writer.now).toMatchObject({ waitingFrames: 0, waitingBytes: 0, waitingSinceMs: undefined, frames: 4 });
  });
});

function recordOf(i: number, bucket: number, bytes: number): OutgoingRecord {
  return { sequenceNumber: String(i), partitionKey: String(bucket), arrivalTimeMs: i, data: new Uint8Array(bytes) };
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
