import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ListShardsCommand, PutRecordCommand, SplitShardCommand } from '@aws-sdk/client-kinesis';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { bucketOf } from '../../core/bucket.ts';
import { isAfter } from '../../core/consume.ts';
import type { Quarantined } from '../../core/reasons.ts';
import type { ConsumeEvent } from '../../lambdas/consume-kinesis.ts';
import { Driver } from '../../local/driver.ts';
import { root } from '../house/project.ts';
import { failing } from './failing.ts';
import { latencyReport, measureLatency } from './latency.ts';
import { newVersion } from './project.ts';
import { linesOf } from './replayed.ts';
import { Trial } from './trial.ts';

const trial = new Trial(inject('endpoint'));
afterAll(() => trial.end());

const recording = join(root, '..', 'shared', 'data', 'schwab', 'level-one-equities-2024-09-13.ndjson');
const isRecordingThere = existsSync(recording);
if (!isRecordingThere) console.warn(`skipped: the recording (there is no ${recording})`);

/** One stack, in which what comes later meets what all before has left. The days rise, as the days of a market do. */
describe('the unchanged CDK app on LocalStack gives what a replay gives', () => {
  it('is bootstrapped and deployed', async () => {
    await trial.cdk(['bootstrap', 'aws://000000000000/us-east-1']);
    await trial.deploy();
    await trial.begin();
  });

  it('of a simulated market', async () => {
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
    const heal = await trial.deployed.addEnvironment('consume', failing('die-after-commit'));
    const sinceMs = Date.now();
    await trial.feedMarket('2024-10-03');
    await trial.expectReplayed();
    await trial.untilLogged('consume', /died after its commit/, sinceMs);
    await heal();
  });

  it('when the bus throttles, whole calls and single entries', async () => {
    const heal = await trial.deployed.addEnvironment('publish', failing('throttle-bus'));
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
    const version = newVersion();
    const deploying = trial.deploy(version.folder).finally(version.remove);
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

  async function put(partitionKey: string, data: Uint8Array): Promise<string> {
    const { SequenceNumber = '' } = await trial.deployed.kinesis.send(
      new PutRecordCommand({ StreamName: trial.streamName, PartitionKey: partitionKey, Data: data }),
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
