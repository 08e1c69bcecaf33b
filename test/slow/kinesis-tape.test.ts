import { type KinesisClient, ListShardsCommand, MergeShardsCommand, SplitShardCommand } from '@aws-sdk/client-kinesis';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeRecord } from '../../adapters/frames/decode.ts';
import { KinesisReader } from '../../adapters/tape/kinesis-reader.ts';
import { listShards } from '../../adapters/tape/kinesis-shards.ts';
import { KinesisWriter } from '../../adapters/tape/kinesis-writer.ts';
import type { StoredRecord } from '../../adapters/tape/sqlite-tape.ts';
import { isAfter } from '../../core/consume.ts';
import type { Pipeline } from '../../core/pipeline.ts';
import { type ConsumeEvent, makeConsumer } from '../../lambdas/consume-kinesis.ts';
import { Driver } from '../../local/driver.ts';
import { foldWhole, type Folded } from '../core/support/facts.ts';
import { arrivalTimeMs, markets, policies, tapeOf } from '../core/support/market.ts';
import { pipelineWith } from '../core/support/pipelines.ts';
import { slicesOf, type StreamRecord } from '../core/support/stream.ts';
import { World } from '../lambdas/world.ts';
import { failed, type Fault, faultPatterns, FaultyKinesis } from '../aws/faulty-kinesis.ts';
import { type KinesisLocal, makeStream, removeStream, startKinesisLocal, untilActive } from '../aws/kinesis-local.ts';

const bucketCount = 5;
const buckets = Array.from({ length: bucketCount }, (_, bucket) => bucket);
const cuts = fc.array(fc.nat(60), { maxLength: 4 });
let kinesis: KinesisLocal;
let streams = 0;

beforeAll(async () => {
  kinesis = await startKinesisLocal();
});
afterAll(() => kinesis.stop());

describe('a stream of frames', () => {
  it('has each bucket in order, whatever fails, is lost or comes late, and folds to what the frames fold to', {
    timeout: 120_000,
  }, async () => {
    const seen = new Set<Fault>();
    let repeats = 0;
    await fc.assert(
      fc.asyncProperty(markets, policies, faultPatterns, cuts, async (trades, policy, pattern, cuts) => {
        const streamName = await newStream(2);
        const records = tapeOf(trades, { bucketCount, entriesMax: 8 });
        const faulty = new FaultyKinesis(kinesis.client, pattern);
        const writer = new KinesisWriter({
          client: faulty.client,
          streamName,
          bucketCount,
          waitingBytesMax: 2_000,
          wait: async () => undefined,
        });
        for (const slice of slicesOf(records, cuts)) await writer.write(slice);
        await writer.drain();
        expect(writer.takeStored().toSorted(byNumber)).toEqual(records.map(({ sequenceNumber }) => sequenceNumber));
        await faulty.settle();
        const stored = await readWhole(kinesis.client, streamName);
        for (const bucket of buckets) expect(firstsOf(stored, bucket)).toEqual(framesOf(records, bucket));
        const pipeline = pipelineWith({ ...policy, bucketCount });
        expect(factsOf(foldWhole(pipeline, stored))).toEqual(factsOf(foldWhole(pipeline, records)));
        for (const fault of faulty.seen) seen.add(fault);
        repeats += stored.length - records.length;
        writer.close();
        await removeStream(kinesis.client, streamName);
      }),
      { numRuns: 14, seed: 4 },
    );
    expect(seen.size).toBe(9);
    expect(repeats).toBeGreaterThan(20);
  });

  it('folds to the same when its shards split and merge, its reader starts anew and its consumer fails', { timeout: 120_000 }, async () => {
    const step = fc.record({
      reshard: fc.constantFrom('none', 'split', 'merge'),
      reads: fc.boolean(),
      fails: fc.boolean(),
      restarts: fc.constantFrom('no', 'no', 'after saving', 'killed'),
    });
    let reshards = 0;
    await fc.assert(
      fc.asyncProperty(markets, policies, fc.array(step, { minLength: 2, maxLength: 5 }), async (trades, policy, steps) => {
        const streamName = await newStream(2);
        const { client } = kinesis;
        const pipeline = pipelineWith({ ...policy, emptyWindows: 'none', bucketCount });
        const records = tapeOf(trades, { bucketCount, entriesMax: 8 });
        const writer = new KinesisWriter({ client, streamName, bucketCount });
        const world = new World(pipeline);
        let reading = await startReading(world, pipeline, streamName);
        const length = Math.ceil(records.length / steps.length);
        for (const [i, { reshard, reads, fails, restarts }] of steps.entries()) {
          await writer.write(records.slice(i * length, (i + 1) * length));
          await writer.drain();
          if (reshard !== 'none' && (await reshardOnce(client, streamName, reshard))) reshards++;
          if (reads) await reading.toEnd(fails);
          if (restarts === 'no') continue;
          if (restarts === 'after saving') await reading.driver.close();
          reading = await startReading(world, pipeline, streamName);
        }
        await reading.toEnd(false);
        await reading.driver.close();
        const stored = await readWhole(client, streamName, false);
        const { bars, signals, late, quarantined, counts } = foldWhole(pipeline, stored);
        expect(await world.facts()).toEqual({ bars, signals, late, quarantined, counts });
        expect(stored.length).toBe(records.length);
        writer.close();
        await removeStream(client, streamName);
      }),
      { numRuns: 10, seed: 2 },
    );
    expect(reshards).toBeGreaterThan(8);
  });
});

async function startReading({ checkpoints, history }: World, pipeline: Pipeline, streamName: string) {
  let failsNext = false;
  const handle = makeConsumer({ pipeline, checkpoints, history: history.writer });
  const handler = async (event: ConsumeEvent) => {
    const answer = await handle(event);
    if (!failsNext) return answer;
    failsNext = false;
    throw new Error('the answer is lost');
  };
  const saved = await checkpoints.load(buckets);
  const positions = new Map(saved.map(({ bucket, sequenceNumber }) => [bucket, sequenceNumber]));
  const client = withBusyLists(kinesis.client);
  const tape = new KinesisReader({ client, streamName, bucketCount, positions, pollEveryMs: 1, fetchedMax: 2 });
  const driver = new Driver({ tape, handler, startAfter: '', windowSizeMs: 60_000, recordsMax: 3 });
  const toEnd = async (fails: boolean) => {
    failsNext = fails;
    do {
      await tape.poll();
      await driver.pump().catch(() => driver.pump());
    } while (!tape.isCaughtUp);
    failsNext = false;
  };
  return { driver, toEnd };
}

/** Every other list of shards is refused, but for the first. */
function withBusyLists(client: KinesisClient): KinesisClient {
  let lists = 0;
  const send = async (command: object) => {
    if (command instanceof ListShardsCommand && ++lists % 2 === 0) throw failed('LimitExceededException', 400);
    return client.send(command as never);
  };
  return { send } as unknown as KinesisClient;
}

async function newStream(shardCount: number): Promise<string> {
  const streamName = `tape-${++streams}`;
  await makeStream(kinesis.client, streamName, shardCount);
  return streamName;
}

/** Whether there were shards to do it with. */
async function reshardOnce(client: KinesisClient, StreamName: string, kind: 'split' | 'merge'): Promise<boolean> {
  const open = (await listShards(client, StreamName))
    .filter(({ isOpen }) => isOpen)
    .toSorted((a, b) => (a.firstHash < b.firstHash ? -1 : 1));
  const [first, second] = open;
  if (first === undefined) return false;
  if (kind === 'split') {
    const NewStartingHashKey = String((first.firstHash + first.lastHash) / 2n);
    await client.send(new SplitShardCommand({ StreamName, ShardToSplit: first.shardId, NewStartingHashKey }));
  } else {
    if (second === undefined) return false;
    await client.send(new MergeShardsCommand({ StreamName, ShardToMerge: first.shardId, AdjacentShardToMerge: second.shardId }));
  }
  await untilActive(client, StreamName);
  return true;
}

/** Everything that a stream holds, in the order of each bucket. With the arrival of the market's own time, if wanted. */
async function readWhole(client: KinesisClient, streamName: string, arrivesThen = true): Promise<StreamRecord[]> {
  const reader = new KinesisReader({ client, streamName, bucketCount, positions: new Map(), pollEveryMs: 1 });
  const stored: StoredRecord[] = [];
  do {
    await reader.poll();
    for (const shardId of reader.shardIds()) {
      let after = '';
      for (;;) {
        const records = reader.read(shardId, after, { recordsMax: 7, bytesMax: 5_000 });
        if (records.length === 0) break;
        stored.push(...records);
        after = (records.at(-1) as StoredRecord).sequenceNumber;
      }
    }
  } while (!reader.isCaughtUp);
  const sorted = stored.toSorted((a, b) => byNumber(a.sequenceNumber, b.sequenceNumber));
  return arrivesThen ? sorted.map((record) => ({ ...record, arrivalTimeMs })) : sorted;
}

function byNumber(a: string, b: string): number {
  return isAfter(a, b) ? 1 : a === b ? 0 : -1;
}

function framesOf(records: readonly StreamRecord[], bucket: number): number[] {
  return records
    .filter(({ partitionKey }) => partitionKey === String(bucket))
    .flatMap((record) => decodeRecord(record, bucket).frames.map(({ producerSequence }) => producerSequence));
}

/** Numbers of frames in the order in which each came first. */
function firstsOf(records: readonly StreamRecord[], bucket: number): number[] {
  return [...new Set(framesOf(records, bucket))];
}

/** Without where on the stream something was, and how often a frame came. */
function factsOf({ bars, signals, late, quarantined, counts }: Folded) {
  const without = (lines: readonly string[]) =>
    lines.map((line) => JSON.stringify({ ...(JSON.parse(line) as object), position: undefined })).sort();
  const once = Object.entries(counts).map(([bucket, count]) => [bucket, { ...(count as object), repeatedFrames: 0 }]);
  return { bars, signals, late: without(late), quarantined: without(quarantined), counts: Object.fromEntries(once) };
}
