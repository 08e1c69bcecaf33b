import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DeleteStreamCommand, ListShardsCommand, PutRecordCommand, SplitShardCommand } from '@aws-sdk/client-kinesis';
import { afterAll, describe, expect, inject, it } from 'vitest';
import type { Checkpoint } from '../../adapters/stores/checkpoints.ts';
import { packState, unpackState } from '../../adapters/stores/state-bytes.ts';
import { bucketOf, hashKeyOf } from '../../core/bucket.ts';
import { isAfter } from '../../core/consume.ts';
import type { Quarantined } from '../../core/reasons.ts';
import type { ConsumeEvent } from '../../lambdas/consume-kinesis.ts';
import { Driver } from '../../local/driver.ts';
import { root } from '../house/project.ts';
import { latencyReport, measureLatency } from './latency.ts';
import { preloaded } from './preload.ts';
import { remains } from './remains.ts';
import { linesOf } from './replayed.ts';
import { skipped } from '../skipped.ts';
import { Trial } from './trial.ts';

const trial = new Trial(inject('endpoint'));
afterAll(() => trial.end());

const recording = join(root, '..', 'shared', 'data', 'schwab', 'level-one-equities-2024-09-13.ndjson');
const isRecordingThere = existsSync(recording);
if (!isRecordingThere) console.warn(`skipped: the recording (there is no ${recording})`);

/** Functions that run as containers, or elsewhere, do not reach a receiver of this process. */
const isReceiverReached = inject('kind') === 'host';
if (!isReceiverReached)
  skipped('the tests of the webhook', `its receiver is reached from this machine only, and LocalStack is ${inject('kind')}`);

/** One stack, in which what comes later meets what all before has left. The days rise, as the days of a market do. */
describe('the unchanged CDK app on LocalStack gives what a replay gives', () => {
  it('is bootstrapped and deployed', async () => {
    await trial.begin();
  });

  it('of a simulated market', async () => {
    trial.receiver.isFaulty = true;
    await trial.feedMarket('2024-09-12');
    await trial.expectReplayed();
  });

  it.skipIf(!isRecordingThere)('of a recording', async () => {
    const feed = trial.startFeed('schwab');
    await feed.write(readFileSync(recording, 'latin1').trimEnd().split('\n'));
    await feed.end();
    trial.fed('schwab', recording);
    await trial.expectReplayed();
  });

  it('with the time that each leg takes', async () => {
    const { pipeline, deployed, fold, inbox, folder } = trial;
    await trial.market('2024-10-01', { seconds: 600 });
    const samples = await measureLatency({ file: join(folder, '2024-10-01.ndjson'), pipeline, deployed, fold, inbox });
    process.stdout.write(`\n${latencyReport(samples)}\n\n`);
    expect(samples.length).toBeGreaterThan(10);
    await trial.expectReplayed();
  });

  it.skipIf(!isReceiverReached)('at a webhook too, whose receiver fails now and then', async () => {
    await trial.expectDelivered();
    expect(trial.receiver.faults).toBeGreaterThan(0);
    trial.receiver.isFaulty = false;
  });

  it('of a stream with records that nobody can read, which are in quarantine with position and reason', async () => {
    const feed = trial.startFeed();
    const lines = await trial.market('2024-10-02');
    await feed.write(lines.slice(0, lines.length / 2));
    await trial.fold.catchUp();
    const frame = trial.fold.records.at(-1) as { partitionKey: string; data: Uint8Array };
    const newer = Buffer.from(frame.data);
    newer[4] = 99;
    const torn = frame.data.subarray(0, frame.data.length - 10);
    const otherKey = String((Number(frame.partitionKey) + 1) % trial.pipeline.bucketCount);
    const badTrade = Buffer.from('{"symbol":"M","eventTimeMs":1727879400000,"price":-1,"size":5}');
    const cases = [
      { reason: 'frame-unknown-encoding', key: '3', data: Buffer.alloc(64, 1) },
      { reason: 'frame-version-unsupported', key: frame.partitionKey, data: newer },
      { reason: 'frame-truncated', key: frame.partitionKey, data: torn },
      { reason: 'wrong-bucket', key: otherKey, data: frame.data },
      { reason: 'price-not-positive', key: String(bucketOf('M', trial.pipeline.bucketCount)), data: badTrade },
    ];
    const expected: Pick<Quarantined, 'position' | 'reason'>[] = [];
    for (const { reason, key, data } of cases) expected.push({ position: `${await put(key, data)}#0`, reason } as Quarantined);
    await put(frame.partitionKey, frame.data);
    await feed.write(lines.slice(lines.length / 2));
    await feed.end();
    await trial.expectReplayed();
    const objects = await trial.deployed.objects(trial.deployed.output('QuarantineBucket'), 'quarantine/');
    const quarantined = [...objects.values()].flatMap((text) => linesOf<Quarantined>(text));
    expect(quarantined.map(({ position, reason }) => ({ position, reason })).sort(byPosition)).toEqual(expected.sort(byPosition));
  });

  it('when the consumer dies between its write and its answer', async () => {
    const heal = await trial.deployed.addEnvironment('consume', preloaded('die-after-commit'));
    const sinceMs = Date.now();
    await trial.feedMarket('2024-10-03');
    await trial.expectReplayed();
    await trial.untilLogged('consume', /died after its commit/, sinceMs);
    await heal();
  });

  it('when the bus throttles, whole calls and single entries', async () => {
    const heal = await trial.deployed.addEnvironment('publish', preloaded('throttle-bus'));
    const sinceMs = Date.now();
    await trial.feedMarket('2024-10-04');
    await trial.expectReplayed();
    await trial.untilLogged('publish', /"unpublished":[1-9]/, sinceMs);
    await heal();
  });

  it('when the stream is split in the middle', async () => {
    const feed = trial.startFeed();
    const lines = await trial.market('2024-10-05');
    await feed.write(lines.slice(0, lines.length / 2));
    await split();
    await feed.write(lines.slice(lines.length / 2));
    await feed.end();
    await trial.expectReplayed();
  });

  it('when a new version is deployed in the middle', async () => {
    const feed = trial.startFeed();
    const lines = await trial.market('2024-10-06');
    await feed.write(lines.slice(0, lines.length / 2));
    const before = await trial.deployed.codeDigest('consume');
    const deploying = trial.deployNewVersion();
    for (let i = lines.length / 2; i < lines.length; i += lines.length / 8) await feed.write(lines.slice(i, i + lines.length / 8));
    await deploying;
    await feed.end();
    await trial.expectReplayed();
    expect(await trial.deployed.codeDigest('consume')).not.toBe(before);
  });

  it('in tumbling windows, each batch delivered twice', async () => {
    await trial.deployed.setMapping(false);
    const feed = trial.startFeed();
    const lines = await trial.market('2024-10-07');
    await trial.fold.catchUp();
    const handed = trial.fold.positions;
    const tape = trial.fold.reader();
    const events: ConsumeEvent[] = [];
    const handler = async (event: ConsumeEvent) => {
      events.push(event);
      for (const { kinesis } of event.Records) handed.set(Number(kinesis.partitionKey), kinesis.sequenceNumber);
      await trial.deployed.consume(event);
      return trial.deployed.consume(event);
    };
    const driver = new Driver({ tape, handler, startAfter: '', windowSizeMs: 1_000 });
    const pump = async () => {
      await tape.poll();
      await driver.pump();
      await driver.tick(Date.now());
    };
    const feeding = feed.write(lines).then(() => feed.end());
    while ((await Promise.race([feeding.then(() => 'fed'), delay(50)])) !== 'fed') await pump();
    await trial.fold.catchUp();
    while ([...trial.fold.positions].some(([bucket, position]) => handed.get(bucket) !== position)) await pump();
    await driver.close();
    await trial.expectReplayed();
    const travelled = events.filter(({ state }) => Object.values(state?.buckets ?? {}).some((bucket) => bucket.state !== undefined));
    expect(travelled.length).toBeGreaterThan(0);
    expect(events.filter(({ isFinalInvokeForWindow }) => isFinalInvokeForWindow).length).toBeGreaterThan(2);
  });

  it('when the whole stream is delivered once more', async () => {
    await trial.deployed.setMapping(true);
    await trial.feedMarket('2024-10-08');
    await trial.expectReplayed();
  });

  it('when the saved state is of a version that this code does not know: it says so, and goes on when the state is restored', async () => {
    const bucket = 5;
    const [saved] = (await trial.checkpoints.load([bucket])) as [Checkpoint];
    const unknown = unpackState(saved.state);
    new DataView(unknown.buffer, unknown.byteOffset).setUint32(4, 99, true);
    await trial.checkpoints.commit([{ ...saved, expectedVersion: saved.version, state: packState(unknown), signals: [] }]);
    const sinceMs = Date.now();
    // A container that is warm knows better than the table.
    const heal = await trial.deployed.addEnvironment('consume', { TAPELINE_TEST: 'cold' });
    await trial.feedMarket('2024-10-09');
    await trial.untilLogged('consume', /the saved state has version "99", this program reads \d+; run the program that wrote it/, sinceMs);
    const [broken] = (await trial.checkpoints.load([bucket])) as [Checkpoint];
    await trial.checkpoints.commit([{ ...saved, expectedVersion: broken.version, signals: [] }]);
    await trial.expectReplayed();
    if (isReceiverReached) await trial.expectDelivered();
    await heal();
  });

  it('and keeps it when the stream is deleted, which feed and driver say', async () => {
    const before = await trial.checkpoints.load([...trial.fold.states.keys()]);
    const feed = trial.startFeed();
    await trial.deployed.kinesis.send(new DeleteStreamCommand({ StreamName: trial.streamName, EnforceConsumerDeletion: true }));
    await feed.write(await trial.market('2024-10-10', { seconds: 60 }));
    const { exitCode, stderr } = await feed.ended;
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringContaining(`there is no stream "${trial.streamName}"`) });
    await expect(trial.fold.reader().poll()).rejects.toMatchObject({ code: 'stream-not-found' });
    expect(await trial.checkpoints.load([...trial.fold.states.keys()])).toEqual(before);
  });

  it('and is gone when it is destroyed, as an emulator is to keep nothing', async () => {
    // No bucket with versions in it is deleted, here as on AWS.
    await trial.deployed.emptyBucket(trial.deployed.output('StateBucket'));
    const before = await remains(inject('endpoint'), trial.deployed);
    expect(before.gone).toEqual([expect.stringMatching(/^AWS::Kinesis::Stream /)]);
    await trial.cdk(['destroy', '--force']);
    expect((await remains(inject('endpoint'), trial.deployed)).there).toEqual([]);
  });

  async function put(partitionKey: string, data: Uint8Array): Promise<string> {
    const ExplicitHashKey = String(hashKeyOf(Number(partitionKey), trial.pipeline.bucketCount));
    const { SequenceNumber = '' } = await trial.deployed.kinesis.send(
      new PutRecordCommand({ StreamName: trial.streamName, PartitionKey: partitionKey, ExplicitHashKey, Data: data }),
    );
    return SequenceNumber;
  }

  async function split(): Promise<void> {
    const { kinesis } = trial.deployed;
    const { Shards = [] } = await kinesis.send(new ListShardsCommand({ StreamName: trial.streamName }));
    const { ShardId, HashKeyRange } = Shards[0] ?? {};
    const middle = (BigInt(HashKeyRange?.StartingHashKey ?? 0) + BigInt(HashKeyRange?.EndingHashKey ?? 0)) / 2n;
    await kinesis.send(new SplitShardCommand({ StreamName: trial.streamName, ShardToSplit: ShardId, NewStartingHashKey: String(middle) }));
    await delay(500);
  }
});

function byPosition(a: { readonly position: string }, b: { readonly position: string }): number {
  return isAfter(a.position, b.position) ? 1 : -1;
}
