import { GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import {
  type _Record,
  DescribeStreamCommand,
  DynamoDBStreamsClient,
  GetRecordsCommand,
  GetShardIteratorCommand,
} from '@aws-sdk/client-dynamodb-streams';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { EventBridgeBus } from '../../adapters/bus/event-bridge.ts';
import type { SignalEvent } from '../../adapters/bus/signal-event.ts';
import { DynamoDbCheckpoints } from '../../adapters/stores/dynamodb.ts';
import type { LinkedSignal } from '../../core/signal.ts';
import { makeConsumer } from '../../lambdas/consume-kinesis.ts';
import type { TableStreamEvent } from '../../lambdas/events/table-stream.ts';
import { makePublisher } from '../../lambdas/publish.ts';
import { FakeEventBridge } from '../adapters/bus/fake-event-bridge.ts';
import { signalOf } from '../adapters/bus/signals.ts';
import { foldWhole } from '../core/support/facts.ts';
import { markets, policies, tapeOf } from '../core/support/market.ts';
import { MemoryHistory } from '../core/support/memory-history.ts';
import { pipelineWith } from '../core/support/pipelines.ts';
import { eventOf, type Handler } from '../core/support/stream.ts';
import { startDynamoDbLocal } from './dynamodb-local.ts';
import { account, clientOf, makeTable } from './table.ts';

const local = await startDynamoDbLocal();
const bucketCount = 3;

describe.skipIf(local.kind === 'missing')('from the tape to the bus', () => {
  const endpoint = local.kind === 'running' ? local.endpoint : '';
  const client = clientOf(endpoint);
  const streams = new DynamoDBStreamsClient({ ...account, endpoint });
  let fake: FakeEventBridge;

  beforeAll(async () => {
    fake = await FakeEventBridge.start();
  });
  afterAll(() => {
    fake.stop();
    client.destroy();
    streams.destroy();
    if (local.kind === 'running') local.stop();
  });

  it('publishes exactly the signals that one fold of the tape raises, when batches repeat, containers die and the bus falters', {
    timeout: 120_000,
  }, async () => {
    let run = 0;
    let signals = 0;
    const faults = fc.array(fc.constantFrom('none', 'none', 'repeat', 'die', 'zombie'), { minLength: 1, maxLength: 20 });
    const verdicts = fc.array(fc.constantFrom('taken', 'taken', 'ThrottlingException', 'InternalFailure'), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(markets, policies, faults, verdicts, async (trades, policy, faults, pattern) => {
        const tableName = `tapeline-${++run}`;
        const streamArn = await makeTable(client, tableName);
        const pipeline = pipelineWith({ ...policy, bucketCount });
        const containerOf = (): Handler =>
          makeConsumer({
            pipeline,
            checkpoints: new DynamoDbCheckpoints({ client, tableName, generation: pipeline.generation, bucketCount }),
            history: new MemoryHistory().writer,
          });
        const records = tapeOf(trades, { bucketCount, entriesMax: 8 });
        let container = containerOf();
        let zombie = container;
        for (let at = 0, turn = 0; at < records.length; at += 4, turn++) {
          const event = eventOf(records.slice(at, at + 4));
          const fault = faults[turn % faults.length];
          await container(event);
          if (fault === 'repeat') await container(event);
          if (fault === 'die') {
            container = containerOf();
            await container(event);
          }
          if (fault === 'zombie') {
            await zombie(event).catch((error: { code?: string }) => expect(error.code).toBe('checkpoint-conflict'));
            zombie = container;
            container = containerOf();
          }
        }

        let judged = 0;
        fake.reset({ judge: () => pattern[judged++] ?? 'taken' });
        await publishStream(streamArn);
        const expected = Object.values(foldWhole(pipeline, records).signals).flat();
        expect(lanesOf(firstsOf(fake.taken))).toEqual(lanesOf(expected.map((json) => JSON.parse(json) as LinkedSignal)));
        signals += expected.length;
      }),
      { numRuns: 25, seed: 1 },
    );
    expect(signals).toBeGreaterThan(20);
  });

  it('publishes what is folded again after a restore, though the old versions are still in the outbox, with more parts or fewer', async () => {
    const tableName = 'tapeline-restored';
    const streamArn = await makeTable(client, tableName);
    const store = () => new DynamoDbCheckpoints({ client, tableName, generation: '1', bucketCount });
    const commit = (expectedVersion: number, signals: readonly LinkedSignal[]) =>
      store().commit([{ bucket: 0, expectedVersion, sequenceNumber: signals[0]?.signalId ?? '', state: Uint8Array.of(1), signals }]);
    const one = (window: number) => [signalOf('A', window)];
    const parts = (window: number) => ['A', 'B', 'C'].map((symbol) => signalOf(symbol, window, { reasons: ['long '.repeat(30_000)] }));
    const head = { pk: { S: 'bucket#1#0' }, sk: { S: 'state' } };
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      await commit(0, one(0));
      const { Item } = await client.send(new GetItemCommand({ TableName: tableName, Key: head }));
      const before = [one(1), parts(2), one(3)];
      for (const [i, signals] of before.entries()) await commit(1 + i, signals);
      vi.setSystemTime(Date.now() + 60_000);
      await client.send(new PutItemCommand({ TableName: tableName, Item }));
      const after = [parts(11), one(12), one(13), one(14)];
      for (const [i, signals] of after.entries()) await commit(1 + i, signals);
      fake.reset();
      await publishStream(streamArn);
      expect(lanesOf(firstsOf(fake.taken))).toEqual(lanesOf([one(0), ...before, ...after].flat()));
      expect((await store().readOutbox(9)).map(({ signals }) => signals)).toEqual([one(0), ...after]);
    } finally {
      vi.useRealTimers();
    }
  });

  /** As Lambda reads a table's stream, a few records at a time. */
  const publishStream = async (StreamArn: string): Promise<void> => {
    const bus = new EventBridgeBus({ client: fake.client, busName: 'signals', wait: async () => {} });
    const publish = makePublisher({ bus, refused: { keep: async (refused) => expect(refused).toEqual([]) } });
    const { StreamDescription } = await streams.send(new DescribeStreamCommand({ StreamArn }));
    for (const { ShardId } of StreamDescription?.Shards ?? []) {
      let iterator = (await streams.send(new GetShardIteratorCommand({ StreamArn, ShardId, ShardIteratorType: 'TRIM_HORIZON' })))
        .ShardIterator;
      while (iterator !== undefined) {
        const { Records = [], NextShardIterator } = await streams.send(new GetRecordsCommand({ ShardIterator: iterator, Limit: 7 }));
        if (Records.length === 0) break;
        let open = Records.map(asLambdaSeesIt);
        while (open.length > 0) {
          const { batchItemFailures } = await publish({ Records: open });
          const failed = open.findIndex(({ dynamodb }) => dynamodb?.SequenceNumber === batchItemFailures[0]?.itemIdentifier);
          open = failed < 0 ? [] : open.slice(failed);
        }
        iterator = NextShardIterator;
      }
    }
  };
});

function asLambdaSeesIt({ eventName, dynamodb }: _Record): TableStreamEvent['Records'][number] {
  const { ApproximateCreationDateTime: time, ...rest } = dynamodb ?? {};
  // Lambda sends JSON, and bytes in it as base64.
  return JSON.parse(JSON.stringify({ eventName, dynamodb: { ...rest, ApproximateCreationDateTime: (time?.getTime() ?? 0) / 1000 } }));
}

/** The signals in the order in which each was first published, with the one before each that its event names. */
function firstsOf(taken: readonly SignalEvent[]): LinkedSignal[] {
  const byId = new Map<string, LinkedSignal>();
  for (const { id, data, previousid: previousId } of taken)
    if (!byId.has(id)) byId.set(id, { ...data, ...(previousId !== undefined && { previousId }) });
  return [...byId.values()];
}

/** By symbol and strategy, in order. */
function lanesOf(signals: readonly LinkedSignal[]): Record<string, LinkedSignal[]> {
  return Object.fromEntries(Map.groupBy(signals, ({ symbol, strategy }) => `${symbol} ${strategy}`));
}
