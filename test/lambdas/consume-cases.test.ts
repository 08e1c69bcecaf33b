import { describe, expect, it } from 'vitest';
import { CheckpointConflict } from '../../adapters/stores/errors.ts';
import { MemoryCheckpoints } from '../../adapters/stores/memory.ts';
import { packState, unpackState } from '../../adapters/stores/state-bytes.ts';
import { bucketOf } from '../../core/bucket.ts';
import { type Pipeline, stateVersion } from '../../core/pipeline.ts';
import { restore, StateUnreadable } from '../../core/snapshot.ts';
import { defineStrategy } from '../../core/strategy.ts';
import type { Trade } from '../../core/trade.ts';
import { makeConsumer } from '../../lambdas/consume-kinesis.ts';
import { packed, startMs } from '../adapters/frames/reading.ts';
import { foldWhole } from '../core/support/facts.ts';
import { MemoryHistory, sortedLines } from '../core/support/memory-history.ts';
import { pipelineWith } from '../core/support/pipelines.ts';
import { eventOf, type Handler, randomOf, type StreamRecord } from '../core/support/stream.ts';

const always = defineStrategy('always', ({ buy, sell }) => {
  let isBuy = false;
  return () => {
    isBuy = !isBuy;
    return isBuy ? buy('up') : sell('down');
  };
});

/** Minute bars; a trade of the next minute closes the one before. */
const pipeline = pipelineWith({ strategies: [always], bucketCount: 2 });
/** One symbol of each bucket. */
const [even = '', odd = ''] = [0, 1].map((bucket) => ['A', 'B', 'C', 'D', 'E'].find((symbol) => bucketOf(symbol, 2) === bucket));

class Account {
  readonly checkpoints = new MemoryCheckpoints();
  readonly history = new MemoryHistory();
  readonly #pipeline: Pipeline;

  constructor(of: Pipeline = pipeline) {
    this.#pipeline = of;
  }

  container(): Handler {
    return makeConsumer({ pipeline: this.#pipeline, checkpoints: this.checkpoints, history: this.history.writer });
  }

  async saved(): Promise<Record<number, readonly [number, string]>> {
    const buckets = Array.from({ length: this.#pipeline.bucketCount }, (_, bucket) => bucket);
    return Object.fromEntries(
      (await this.checkpoints.load(buckets)).map(({ bucket, version, sequenceNumber }) => [bucket, [version, sequenceNumber] as const]),
    );
  }

  async tradesIn(bucket: number): Promise<number> {
    const [checkpoint] = await this.checkpoints.load([bucket]);
    return restore(this.#pipeline, unpackState(checkpoint?.state ?? new Uint8Array())).counts.trades;
  }
}

function recordOf(sequence: number, trade: Partial<Trade> = {}, partitionKey?: string): StreamRecord {
  const full = { symbol: even, eventTimeMs: startMs + sequence, price: 1, size: 1, ...trade };
  const bucket = bucketOf(full.symbol, 2);
  return {
    sequenceNumber: String(sequence),
    partitionKey: partitionKey ?? String(bucket),
    arrivalTimeMs: startMs + 600_000,
    data: packed([full], { bucket }),
  };
}

const closing = (sequence: number, symbol = even) => recordOf(sequence, { symbol, eventTimeMs: startMs + sequence * 60_000 });

describe('the consumer in a tumbling window', () => {
  it('sends the state on with the window while nothing has closed, and saves it at the final invoke, which has no records', async () => {
    const account = new Account();
    const first = await account.container()(eventOf([recordOf(1)], { state: {} }));
    expect(first.batchItemFailures).toEqual([]);
    expect(Object.keys(first.state.buckets?.[0] ?? {}).toSorted()).toEqual(['sequenceNumber', 'state', 'version']);
    const second = await account.container()(eventOf([recordOf(2)], { state: first.state }));
    expect(await account.saved()).toEqual({});
    const last = await account.container()(eventOf([], { state: second.state, isFinal: true }));
    expect(last).toEqual({ state: {}, batchItemFailures: [] });
    expect(await account.saved()).toEqual({ 0: [1, '2'] });
    expect(await account.tradesIn(0)).toBe(2);
  });

  it('saves at once what has closed bars, with its signals, and sends on only where it is; the other bucket travels', async () => {
    const account = new Account();
    const { state } = await account.container()(eventOf([recordOf(1), recordOf(2, { symbol: odd }), closing(3)], { state: {} }));
    expect(await account.saved()).toEqual({ 0: [1, '3'] });
    expect(state.buckets?.[0]).toEqual({ version: 1, sequenceNumber: '3' });
    expect(state.buckets?.[1]).toMatchObject({ version: 0, sequenceNumber: '2', state: expect.any(String) });
    expect((await account.checkpoints.readOutbox(9)).map(({ bucket, version, signals }) => [bucket, version, signals.length])).toEqual([
      [0, 1, 1],
    ]);
    expect(account.history.bars.size).toBe(1);
  });

  it('sends the state on when bars have only been given out again, and gives the same revisions once more when its container dies', async () => {
    const pipeline = pipelineWith({ bucketCount: 2, allowedLatenessMs: 600_000 });
    const account = new Account(pipeline);
    const revising = (sequence: number) => recordOf(sequence, { price: sequence });
    const first = await account.container()(eventOf([recordOf(1), closing(2)], { state: {} }));
    const second = eventOf([revising(3), revising(4)], { state: first.state });
    await account.container()(second);
    const revised = sortedLines(account.history.bars.values());
    expect(await account.saved()).toEqual({ 0: [1, '2'] });
    expect(revised).toEqual(foldWhole(pipeline, [recordOf(1), closing(2), revising(3), revising(4)]).bars);
    expect(revised).toEqual([expect.stringContaining('"rev":2')]);

    const again = await account.container()(second);
    expect(sortedLines(account.history.bars.values())).toEqual(revised);
    await account.container()(eventOf([], { state: again.state, isFinal: true }));
    expect([await account.saved(), await account.tradesIn(0)]).toEqual([{ 0: [2, '4'] }, 4]);
  });

  it('saves when the window ends early, and goes on in another window from the checkpoint', async () => {
    const account = new Account();
    const { state } = await account.container()(eventOf([recordOf(1)], { state: {} }));
    const event = { ...eventOf([recordOf(2)], { state, isFinal: true }), isWindowTerminatedEarly: true };
    expect((await account.container()(event)).state).toEqual({});
    await account.container()(eventOf([recordOf(3)], { state: {}, isFinal: true }));
    expect(await account.tradesIn(0)).toBe(3);
  });

  it('answers an event without records and without state', async () => {
    expect(await new Account().container()(eventOf([], { state: {} }))).toEqual({ state: { buckets: {} }, batchItemFailures: [] });
    expect(await new Account().container()(eventOf([], { state: {}, isFinal: true }))).toEqual({ state: {}, batchItemFailures: [] });
    expect(await new Account().container()(eventOf([]))).toEqual({ state: { buckets: {} }, batchItemFailures: [] });
  });

  it('sends on at most 700,000 characters of state, saves the rest, and loses nothing of either', async () => {
    const wide = pipelineWith({ bucketCount: 4 });
    const account = new Account(wide);
    const records = bulkyRecords(4, 25_000);
    const half = records.length / 2;
    const { state } = await account.container()(eventOf(records.slice(0, half), { state: {} }));
    const texts = Object.values(state.buckets ?? {}).map(({ state: text = '' }) => text.length);
    expect(texts.reduce((sum, length) => sum + length)).toBeLessThanOrEqual(700_000);
    expect(JSON.stringify(state).length).toBeLessThan(1_000_000);
    const travelling = texts.filter((length) => length > 0).length;
    expect(travelling).toBeGreaterThan(0);
    expect(Object.keys(await account.saved())).toHaveLength(4 - travelling);
    const next = await account.container()(eventOf(records.slice(half), { state }));
    await account.container()(eventOf([], { state: next.state, isFinal: true }));
    const whole = foldWhole(wide, records);
    for (const bucket of [0, 1, 2, 3]) expect(await account.tradesIn(bucket)).toBe(whole.states.get(bucket)?.counts.trades);
  });
});

describe('the consumer', () => {
  it('saves at each event that has no window', async () => {
    const account = new Account();
    for (const sequence of [1, 2, 3]) await account.container()(eventOf([recordOf(sequence)]));
    expect(await account.saved()).toEqual({ 0: [3, '3'] });
    expect(await account.tradesIn(0)).toBe(3);
  });

  it('goes on from the checkpoint in a container that has slept while another has worked', async () => {
    const account = new Account();
    const [slept, worked] = [account.container(), account.container()];
    const inWindow = async (container: Handler, records: readonly StreamRecord[]) => {
      const { state } = await container(eventOf(records, { state: {} }));
      await container(eventOf([], { state, isFinal: true }));
    };
    await inWindow(slept, [recordOf(1)]);
    await inWindow(worked, [recordOf(2), recordOf(3)]);
    await inWindow(slept, [recordOf(4)]);
    expect(await account.saved()).toEqual({ 0: [3, '4'] });
    expect(await account.tradesIn(0)).toBe(4);
  });

  it('skips what it has folded when a batch comes again with more behind it', async () => {
    const account = new Account();
    const container = account.container();
    await container(eventOf([recordOf(1), recordOf(2)]));
    await container(eventOf([recordOf(1), recordOf(2), recordOf(3)]));
    expect(await account.tradesIn(0)).toBe(3);
  });

  it('throws a conflict when somebody has committed since, and gives the same when the batch is delivered again', async () => {
    const account = new Account();
    const container = account.container();
    const { state } = await container(eventOf([recordOf(1)], { state: {} }));
    await account.container()(eventOf([recordOf(1), closing(2)], { state }));
    const late = eventOf([closing(2), closing(3)], { state });
    await expect(container(late)).rejects.toThrow(CheckpointConflict);
    await container(late);
    const whole = foldWhole(pipeline, [recordOf(1), closing(2), closing(3)]);
    expect(sortedLines(account.history.bars.values())).toEqual(whole.bars);
    expect((await account.checkpoints.readOutbox(9)).flatMap(({ signals }) => signals.map((signal) => JSON.stringify(signal)))).toEqual(
      whole.signals[0],
    );
  });

  it('goes on after its answer was lost, though the batch comes again with the state from before, to a container that knows nothing', async () => {
    const account = new Account();
    const { state } = await account.container()(eventOf([recordOf(1)], { state: {} }));
    const event = eventOf([closing(2)], { state });
    await account.container()(event);
    const again = await account.container()(event);
    expect(again.state.buckets?.[0]).toEqual({ version: 1, sequenceNumber: '2' });
    expect(await account.saved()).toEqual({ 0: [1, '2'] });
  });

  it('writes the history before it commits, so that no bar is lost when the history is away', async () => {
    const account = new Account();
    const container = makeConsumer({
      pipeline,
      checkpoints: account.checkpoints,
      history: { ...account.history.writer, writeBars: async () => Promise.reject(new Error('the history is away')) },
    });
    await expect(container(eventOf([recordOf(1), closing(2)], { state: {} }))).rejects.toThrow('the history is away');
    expect([await account.saved(), await account.checkpoints.readOutbox(9)]).toEqual([{}, []]);
  });

  it('takes a symbol for a partition key', async () => {
    const account = new Account();
    await account.container()(eventOf([recordOf(1, {}, even), recordOf(2, { symbol: odd }, odd), recordOf(3, {}, '7')]));
    expect([await account.tradesIn(bucketOf(even, 2)), await account.tradesIn(bucketOf(odd, 2))]).toEqual([
      1 + Number(bucketOf('7', 2) === 0),
      1,
    ]);
  });

  it('takes arrival times to the millisecond from seconds with a fraction', async () => {
    const account = new Account(pipelineWith({ aheadMaxMs: 0 }));
    const container = account.container();
    for (let ms = 0; ms < 1_000; ms += 7) {
      const record = (eventTimeMs: number, sequence: number) => ({
        ...recordOf(sequence, { eventTimeMs }),
        partitionKey: '0',
        arrivalTimeMs: startMs + ms,
        data: packed([{ symbol: 'A', eventTimeMs, price: 1, size: 1 }]),
      });
      await container(eventOf([record(startMs + ms, 2 * ms + 1), record(startMs + ms + 1, 2 * ms + 2)]));
    }
    expect(account.history.quarantined.size).toBe(await account.tradesIn(0));
  });

  it('stops at a state that cannot be read rather than begin anew', async () => {
    const account = new Account();
    const broken = Buffer.from('no state');
    await account.checkpoints.commit([{ bucket: 0, expectedVersion: 0, sequenceNumber: '1', state: broken, signals: [] }]);
    await expect(account.container()(eventOf([recordOf(2)]))).rejects.toThrow();
    const other = new Account(pipelineWith({ bucketCount: 2, generation: 'other' }));
    await other.container()(eventOf([recordOf(1)]));
    const [saved] = await other.checkpoints.load([0]);
    const mixed = new Account();
    await mixed.checkpoints.commit([{ bucket: 0, expectedVersion: 0, sequenceNumber: '1', state: saved?.state ?? broken, signals: [] }]);
    await expect(mixed.container()(eventOf([recordOf(2)]))).rejects.toThrow(StateUnreadable);
  });

  it('stands still in front of a state of an older version and touches nothing; other shards go on, and its own once the state is read again', async () => {
    const pipeline = pipelineWith({
      strategies: [
        defineStrategy(
          'buys',
          ({ buy }) =>
            () =>
              buy('up'),
        ),
      ],
      bucketCount: 2,
    });
    const account = new Account(pipeline);
    const begun = [recordOf(1), recordOf(2, { symbol: odd })];
    await account.container()(eventOf(begun));
    const saveEven = (expectedVersion: number, state: Uint8Array) =>
      account.checkpoints.commit([{ bucket: 0, expectedVersion, sequenceNumber: '1', state, signals: [] }]);
    const [{ state = Buffer.of() } = {}] = await account.checkpoints.load([0]);
    await saveEven(1, packState(withVersion(unpackState(state), stateVersion - 1)));
    const before = [await account.saved(), (await account.checkpoints.load([0]))[0]?.state];

    const own = eventOf([closing(3), closing(5, odd)]);
    for (const container of [account.container(), account.container()]) {
      await expect(container(own)).rejects.toMatchObject({
        code: 'state-version-unsupported',
        message: `the saved state has version "${stateVersion - 1}", this program reads ${stateVersion}; run the program that wrote it, or start a new generation`,
      });
    }
    expect([await account.saved(), (await account.checkpoints.load([0]))[0]?.state]).toEqual(before);
    expect([account.history.bars.size, await account.checkpoints.readOutbox(9)]).toEqual([0, []]);
    await account.container()(eventOf([closing(4, odd)]));
    expect((await account.saved())[1]).toEqual([2, '4']);

    await saveEven(2, state);
    await account.container()(own);
    const whole = foldWhole(pipeline, [...begun, closing(3), closing(4, odd), closing(5, odd)]);
    expect(sortedLines(account.history.bars.values())).toEqual(whole.bars);
    const outbox = await account.checkpoints.readOutbox(9);
    for (const bucket of [0, 1]) {
      const signals = outbox.filter((item) => item.bucket === bucket).flatMap((item) => item.signals);
      expect(signals.length).toBeGreaterThan(0);
      expect(signals.map((signal) => JSON.stringify(signal))).toEqual(whole.signals[bucket]);
    }
  });

  it('takes no record of one bucket for the other’s sake: what cannot be read in one leaves the other alone', async () => {
    const account = new Account();
    const garbage = { ...recordOf(1), data: Buffer.from([0, 1, 2]) };
    await account.container()(eventOf([garbage, recordOf(2, { symbol: odd }), recordOf(3)]));
    expect([await account.tradesIn(0), await account.tradesIn(1), account.history.quarantined.size]).toEqual([1, 1, 1]);
  });
});

/** The second word of a state is its version. */
function withVersion(state: Uint8Array, version: number): Uint8Array {
  const changed = Uint8Array.from(state);
  new Uint32Array(changed.buffer)[1] = version;
  return changed;
}

/** Trades with ids that no compression makes small, in frames of a thousand, dealt to the buckets in turn. */
function bulkyRecords(bucketCount: number, tradesPerBucket: number): StreamRecord[] {
  const random = randomOf(3);
  const symbols = Array.from(
    { length: bucketCount },
    (_, bucket) => ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'].find((symbol) => bucketOf(symbol, bucketCount) === bucket) ?? '',
  );
  return Array.from({ length: (bucketCount * tradesPerBucket) / 1_000 }, (_, i) => {
    const bucket = i % bucketCount;
    const trades = Array.from({ length: 1_000 }, () => ({
      symbol: symbols[bucket] ?? '',
      eventTimeMs: startMs,
      price: 1,
      size: 1,
      tradeId: String(Math.floor(random() * 1e15)),
    }));
    return { sequenceNumber: String(i + 1), partitionKey: String(bucket), arrivalTimeMs: startMs, data: packed(trades, { bucket }) };
  });
}
