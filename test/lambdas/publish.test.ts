import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EventBridgeBus } from '../../adapters/bus/event-bridge.ts';
import type { Signal } from '../../core/signal.ts';
import type { TableStreamEvent } from '../../lambdas/events/table-stream.ts';
import type { RefusedSignals } from '../../adapters/bus/bus.ts';
import { makePublisher, type PublishFact } from '../../lambdas/publish.ts';
import { FakeEventBridge } from '../adapters/bus/fake-event-bridge.ts';
import { signalOf, someEvents } from '../adapters/bus/signals.ts';

type StreamRecord = TableStreamEvent['Records'][number];

describe('what publishes the outbox', () => {
  let fake: FakeEventBridge;
  let publish: ReturnType<typeof makePublisher>;
  const facts: PublishFact[] = [];
  const kept = new Map<string, string>();
  let isStoreDown = false;
  const refused: RefusedSignals = {
    keep: async (signals) => {
      if (isStoreDown) throw new Error('the bucket is away');
      for (const { event, code } of signals) kept.set(event.id, code);
    },
  };

  beforeAll(async () => {
    fake = await FakeEventBridge.start();
    const bus = new EventBridgeBus({ client: fake.client, busName: 'signals', wait: async () => {} });
    publish = makePublisher({ bus, refused, source: '/test', report: (fact) => facts.push(fact) });
  });
  afterAll(() => fake.stop());

  const reset = (options?: Parameters<FakeEventBridge['reset']>[0]) => {
    fake.reset(options);
    facts.length = 0;
    kept.clear();
    isStoreDown = false;
  };

  it('publishes all signals at least once and each lane in order, whatever fails and however the stream is cut', async () => {
    const commits = someEvents.chain((events) =>
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 30 }).map((sizes) => {
        const signals = events.map(({ data }) => data);
        return sizes.map((size) => signals.splice(0, size)).filter((commit) => commit.length > 0);
      }),
    );
    const verdicts = fc.array(fc.constantFrom('taken', 'taken', 'ThrottlingException', 'AccessDeniedException'), {
      minLength: 1,
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(commits, fc.integer({ min: 1, max: 4 }), verdicts, async (commits, batchSize, pattern) => {
        let judged = 0;
        reset({ judge: () => pattern[judged++] ?? 'taken' });
        const records = commits.map((signals, i) => outboxRecord({ version: i + 1, signals }));
        await deliverAll(records, batchSize);
        const expected = commits.flat().map(({ signalId }) => signalId);
        const firsts = [...new Set(fake.taken.map(({ id }) => id))];
        expect([...firsts].sort()).toEqual([...expected].sort());
        const laneOf = new Map(commits.flat().map((signal) => [signal.signalId, `${signal.strategy} ${signal.symbol}`]));
        const byLane = (ids: readonly string[]) =>
          [...Map.groupBy(ids, (id) => laneOf.get(id))].sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
        expect(byLane(firsts)).toEqual(byLane(expected));
      }),
      { numRuns: 60 },
    );
  });

  /** As Lambda reads a shard: a batch that reports a record comes again from that record on. */
  const deliverAll = async (records: readonly StreamRecord[], batchSize: number): Promise<number> => {
    let deliveries = 0;
    for (let at = 0; at < records.length; deliveries++) {
      const batch = records.slice(at, at + batchSize);
      const { batchItemFailures } = await publish({ Records: batch });
      const failed = batch.findIndex(({ dynamodb }) => dynamodb?.SequenceNumber === batchItemFailures[0]?.itemIdentifier);
      at += failed < 0 ? batch.length : failed;
      if (deliveries > 1_000) throw new Error('it does not end');
    }
    return deliveries;
  };

  it('names the first record that is not fully published', async () => {
    reset({ judge: ({ subject }) => (subject === 'C' || subject === 'B' ? 'AccessDeniedException' : 'taken') });
    const Records = ['A', 'B', 'C', 'D'].map((symbol, i) =>
      outboxRecord({ bucket: 9 - i, version: 7, signals: [signalOf('A', i), signalOf(symbol, 9)] }),
    );
    expect(await publish({ Records })).toEqual({ batchItemFailures: [{ itemIdentifier: Records[1]?.dynamodb?.SequenceNumber }] });
    expect(facts).toEqual([
      { kind: 'published', events: 6 },
      ...['B', 'C'].map((symbol) => ({
        kind: 'unpublished',
        signalId: signalOf(symbol, 9).signalId,
        code: 'AccessDeniedException',
        message: 'as told: AccessDeniedException',
      })),
    ]);
  });

  it('publishes or keeps aside every signal, and the stream goes on, whichever of them the bus refuses for ever', async () => {
    const commits = someEvents.chain((events) =>
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 30 }).map((sizes) => {
        const signals = events.map(({ data }) => data);
        return sizes.map((size) => signals.splice(0, size)).filter((commit) => commit.length > 0);
      }),
    );
    await fc.assert(
      fc.asyncProperty(commits, fc.integer({ min: 1, max: 4 }), fc.integer({ min: 2, max: 9 }), async (commits, batchSize, nth) => {
        const ids = commits.flat().map(({ signalId }) => signalId);
        const poison = new Set(ids.filter((_, i) => i % nth === 1));
        reset({ judge: ({ id }) => (poison.has(id) ? 'MalformedDetail' : 'taken') });
        const records = commits.map((signals, i) => outboxRecord({ version: i + 1, signals }));
        // Nothing comes again: every batch is over at its first delivery.
        expect(await deliverAll(records, batchSize)).toBe(Math.ceil(records.length / batchSize));
        expect([...kept.keys()].sort()).toEqual([...poison].sort());
        expect(fake.taken.map(({ id }) => id).sort()).toEqual(ids.filter((id) => !poison.has(id)).sort());
        expect(facts.filter(({ kind }) => kind === 'refused')).toHaveLength(poison.size);
      }),
      { numRuns: 40 },
    );
  });

  it('takes a refused signal for unfinished as long as it is not kept', async () => {
    reset({ judge: () => 'MalformedDetail' });
    isStoreDown = true;
    await expect(publish({ Records: [outboxRecord({ version: 1, signals: [signalOf('A', 0)] })] })).rejects.toThrow('the bucket is away');
  });

  it('publishes the parts of one commit in their order, whatever order they come in', async () => {
    reset();
    const parts = [0, 1, 2].map((part) => outboxRecord({ version: 12, part, signals: [signalOf('A', part)] }));
    expect(await publish({ Records: parts.toReversed() })).toEqual({ batchItemFailures: [] });
    expect(fake.taken.map(({ data }) => data)).toEqual([0, 1, 2].map((window) => signalOf('A', window)));
  });

  it('stops after some hundred events when the time is nearly over, and goes on there', async () => {
    reset();
    const Records = Array.from({ length: 7 }, (_, i) =>
      outboxRecord({ version: i + 1, signals: Array.from({ length: 90 }, (_, symbol) => signalOf(`S${symbol}`, i)) }),
    );
    const remainingMs = [35_000, 34_999];
    const context = { getRemainingTimeInMillis: () => remainingMs.shift() ?? 0 };
    expect(await publish({ Records }, context)).toEqual({ batchItemFailures: [{ itemIdentifier: Records[6]?.dynamodb?.SequenceNumber }] });
    expect(fake.taken).toHaveLength(6 * 90);
    expect(await publish({ Records: Records.slice(6) }, { getRemainingTimeInMillis: () => 0 })).toEqual({ batchItemFailures: [] });
    expect(fake.taken).toHaveLength(7 * 90);
  });

  it('attempts nothing behind some hundred events of which one is not published', async () => {
    reset({ judge: ({ id }) => (id === signalOf('S1', 1).signalId ? 'AccessDeniedException' : 'taken') });
    const Records = Array.from({ length: 9 }, (_, i) =>
      outboxRecord({ version: i + 1, signals: Array.from({ length: 90 }, (_, symbol) => signalOf(`S${symbol}`, i)) }),
    );
    expect(await publish({ Records })).toEqual({ batchItemFailures: [{ itemIdentifier: Records[1]?.dynamodb?.SequenceNumber }] });
    expect(fake.taken).toHaveLength(3 * 90 - 2);
  });

  it('publishes what is committed once more under old versions, after a restore, behind what was there before', async () => {
    reset();
    const record = (version: number, window: number, expiresAtSec: number) =>
      outboxRecord({ version, expiresAtSec, signals: [signalOf('A', window)] });
    const Records: StreamRecord[] = [record(1, 0, 100), record(2, 1, 101), { ...record(1, 2, 160), eventName: 'MODIFY' }];
    expect(await publish({ Records })).toEqual({ batchItemFailures: [] });
    expect(fake.taken.map(({ data }) => data)).toEqual([0, 1, 2].map((window) => signalOf('A', window)));
  });

  it('passes over everything in the stream that is no outbox item that was written', async () => {
    reset();
    const record = outboxRecord({ version: 1, signals: [signalOf('A', 0)] });
    const Records: StreamRecord[] = [
      { eventName: 'REMOVE', dynamodb: { Keys: record.dynamodb?.Keys ?? {}, SequenceNumber: '2' } },
      { eventName: 'INSERT', dynamodb: { Keys: { pk: { S: 'bucket#1#0' }, sk: { S: 'state' } }, SequenceNumber: '3' } },
      {},
    ];
    expect(await publish({ Records })).toEqual({ batchItemFailures: [] });
    expect(await publish({ Records: [] })).toEqual({ batchItemFailures: [] });
    expect([fake.calls, facts]).toEqual([[], []]);
  });

  it.each([
    ['no signals', {}, 'it is not JSON'],
    ['text that is not JSON', { signals: { S: '[{"signalId":"1' } }, 'it is not JSON'],
    ['a signal that is none', { signals: { S: JSON.stringify([{ ...signalOf('A', 0), price: '1' }]) } }, 'signal 0 is wrong in "price"'],
  ])('reports an item with %s, and publishes its neighbours', async (_, NewImage, reason) => {
    reset();
    const bad = outboxRecord({ version: 2, signals: [] });
    const Records = [
      outboxRecord({ version: 1, signals: [signalOf('A', 0)] }),
      { ...bad, dynamodb: { ...bad.dynamodb, NewImage } },
      outboxRecord({ version: 3, signals: [signalOf('A', 2)] }),
    ];
    expect(await publish({ Records })).toEqual({ batchItemFailures: [] });
    expect(fake.taken.map(({ data }) => data)).toEqual([signalOf('A', 0), signalOf('A', 2)]);
    expect(facts).toEqual([
      {
        kind: 'bad-item',
        item: 'outbox#1#0/0000000000000002',
        sequenceNumber: bad.dynamodb?.SequenceNumber,
        reason: expect.stringContaining(reason),
      },
      { kind: 'published', events: 2 },
    ]);
  });

  it('refuses a stream that carries no images, so that no signal is lost', async () => {
    const { dynamodb: { NewImage: _, ...dynamodb } = {}, ...record } = outboxRecord({ version: 1, signals: [signalOf('A', 0)] });
    await expect(publish({ Records: [{ ...record, dynamodb }] })).rejects.toMatchObject({ code: 'stream-without-images' });
  });
});

type OutboxPart = {
  readonly bucket?: number;
  readonly version: number;
  readonly part?: number;
  readonly expiresAtSec?: number;
  readonly signals: readonly Signal[];
};

let sequence = 100;

function outboxRecord({ bucket = 0, version, part = 0, expiresAtSec = 0, signals }: OutboxPart): StreamRecord {
  const sk = `${String(version).padStart(16, '0')}${part === 0 ? '' : `#${String(part).padStart(4, '0')}`}`;
  const Keys = { pk: { S: `outbox#1#${bucket}` }, sk: { S: sk } };
  const NewImage = { ...Keys, expiresAtSec: { N: String(expiresAtSec) }, signals: { S: JSON.stringify(signals) } };
  return { eventName: 'INSERT', dynamodb: { Keys, SequenceNumber: String(sequence++), NewImage } };
}
