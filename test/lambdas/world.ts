import fc from 'fast-check';
import { MemoryCheckpoints } from '../../adapters/stores/memory.ts';
import { CheckpointConflict } from '../../adapters/stores/errors.ts';
import type { CheckpointStore } from '../../adapters/stores/checkpoints.ts';
import { unpackState } from '../../adapters/stores/state-bytes.ts';
import { AssertionError } from '../../core/assert.ts';
import type { Pipeline } from '../../core/pipeline.ts';
import { restore } from '../../core/snapshot.ts';
import {
  type ConsumeEvent,
  type ConsumeResponse,
  type ConsumerOptions,
  makeConsumer,
  type TravellingState,
} from '../../lambdas/consume-kinesis.ts';
import { countsOf, type Facts } from '../core/support/facts.ts';
import { MemoryHistory, sortedLines } from '../core/support/memory-history.ts';
import { eventOf, type Handler, slicesOf, type StreamRecord } from '../core/support/stream.ts';

/** How one batch gets to the consumer. */
export type Delivery = {
  readonly recordsMax: number;
  /** Which of the warm containers takes it. */
  readonly container: number;
  /** The container starts anew first. */
  readonly isCold: boolean;
  /** Where the world fails the first time; the batch is then delivered again, perhaps to another container. */
  readonly fault: Fault;
  readonly faultAt: number;
  /** The same event once more: its answer was lost. */
  readonly isRepeated: boolean;
  /** An event of long ago comes once more, from an invocation that was thought dead; its answer is ignored. */
  readonly old: number;
  /** The tumbling window ends behind this batch; or with it. */
  readonly endsWindow: 'no' | 'behind' | 'with';
};

const faults = ['none', 'history-fails', 'commit-fails', 'commit-fails-in-part', 'answer-lost'] as const;
type Fault = (typeof faults)[number];

/** How a stream is delivered: its shards change at some records, and each shard may have a tumbling window or none. */
export type Plan = {
  readonly deliveries: readonly Delivery[];
  readonly reshards: readonly number[];
  readonly hasWindow: readonly boolean[];
};

export const plans: fc.Arbitrary<Plan> = fc.record({
  deliveries: fc.array(
    fc.record({
      recordsMax: fc.integer({ min: 1, max: 9 }),
      container: fc.nat(2),
      isCold: fc.boolean(),
      fault: fc.constantFrom(...faults),
      faultAt: fc.nat(2),
      isRepeated: fc.boolean(),
      old: fc.nat(9),
      endsWindow: fc.constantFrom('no', 'no', 'behind', 'with'),
    } as const),
    { minLength: 1, maxLength: 12 },
  ),
  reshards: fc.array(fc.nat(60), { maxLength: 3 }),
  hasWindow: fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }),
});

/** Everything on time, nothing fails, one container. */
const calm: Delivery = {
  recordsMax: 3,
  container: 0,
  isCold: false,
  fault: 'none',
  faultAt: 0,
  isRepeated: false,
  old: 0,
  endsWindow: 'no',
};

/** A stream, its event source mapping and its consumer, with all that can go wrong between them. */
export class World {
  readonly #pipeline: Pipeline;
  readonly checkpoints = new MemoryCheckpoints();
  readonly history = new MemoryHistory();
  readonly #containers: Handler[] = [];
  readonly #events: ConsumeEvent[] = [];
  #fault: { kind: Fault; at: number } = { kind: 'none', at: 0 };
  #turn = 0;
  /** How often something failed, so that a law can see that it was tried. */
  failures = 0;

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline;
  }

  async deliver(records: readonly StreamRecord[], { deliveries, reshards, hasWindow }: Plan): Promise<void> {
    for (const [generation, segment] of slicesOf(records, reshards).entries()) {
      const shardCount = 1 + (generation % 3);
      const shards = Array.from({ length: shardCount }, (_, shard) =>
        segment.filter(({ partitionKey }) => Number(partitionKey) % shardCount === shard),
      );
      const reading = shards.map((shard, i) =>
        this.#readShard(`shard-${generation}-${i}`, shard, deliveries, hasWindow[(generation + i) % hasWindow.length] === true),
      );
      // The shards of one time are read side by side, a batch from each in turn.
      const open = new Set(reading);
      while (open.size > 0) {
        for (const shard of open) if ((await shard.next()).done) open.delete(shard);
      }
    }
  }

  async *#readShard(
    shardId: string,
    records: readonly StreamRecord[],
    deliveries: readonly Delivery[],
    hasWindow: boolean,
  ): AsyncGenerator<void> {
    let state: TravellingState = {};
    let isOpen = false;
    for (let at = 0; at < records.length; ) {
      const delivery = deliveries[this.#turn++ % deliveries.length] as Delivery;
      const batch = records.slice(at, at + delivery.recordsMax);
      at += batch.length;
      const isFinal = delivery.endsWindow === 'with';
      state = await this.#invoke(eventOf(batch, hasWindow ? { state, shardId, isFinal } : {}), delivery);
      isOpen = hasWindow && !isFinal;
      if (isOpen && delivery.endsWindow === 'behind') {
        state = await this.#invoke(eventOf([], { state, shardId, isFinal: true }), delivery);
        isOpen = false;
      }
      if (!isOpen) state = {};
      yield;
    }
    if (isOpen) await this.#invoke(eventOf([], { state, shardId, isFinal: true }), calm);
  }

  async #invoke(event: ConsumeEvent, { container, isCold, fault, faultAt, isRepeated, old }: Delivery): Promise<TravellingState> {
    if (isCold) delete this.#containers[container];
    this.#events.push(event);
    this.#fault = { kind: fault, at: faultAt };
    const answer = await this.#invokeUntilDone(event, container, faultAt);
    this.#fault = { kind: 'none', at: 0 };
    const { state } = isRepeated ? await this.#invokeUntilDone(event, container + 1, faultAt) : answer;
    if (old > 0) await this.#container(container)(this.#events.at(-old) ?? event).catch(ignoreFailure);
    return state;
  }

  /** Lambda delivers a failed batch again until it succeeds; here the fifth time must: the fault comes once, and each container is behind once. */
  async #invokeUntilDone(event: ConsumeEvent, container: number, step: number, retries = 4): Promise<ConsumeResponse> {
    try {
      return await this.#container(container)(event);
    } catch (error) {
      if (retries === 0 || error instanceof AssertionError) throw error;
      this.failures++;
      this.#fault = { kind: 'none', at: 0 };
      return this.#invokeUntilDone(event, container + step, step, retries - 1);
    }
  }

  #container(of: number): Handler {
    const number = of % 3;
    this.#containers[number] ??= makeConsumer({
      pipeline: this.#pipeline,
      checkpoints: this.#faultyCheckpoints(),
      history: this.#faultyHistory(),
    });
    return this.#containers[number] as Handler;
  }

  #failsNow(kind: Fault): boolean {
    if (this.#fault.kind !== kind || this.#fault.at-- > 0) return false;
    this.#fault = { kind: 'none', at: 0 };
    return true;
  }

  #faultyHistory(): ConsumerOptions['history'] {
    const { writer } = this.history;
    const fail = async () => {
      if (this.#failsNow('history-fails')) throw new Error('the history is away');
    };
    return {
      writeBars: async (bars) => fail().then(() => writer.writeBars(bars)),
      writeLate: async (late) => fail().then(() => writer.writeLate(late)),
      writeQuarantined: async (quarantined) => fail().then(() => writer.writeQuarantined(quarantined)),
    };
  }

  #faultyCheckpoints(): CheckpointStore {
    const { checkpoints } = this;
    return {
      load: (buckets) => checkpoints.load(buckets),
      commit: async (commits) => {
        if (this.#failsNow('commit-fails')) throw new Error('the store is away');
        if (this.#failsNow('commit-fails-in-part')) {
          await checkpoints.commit(commits.slice(0, 1));
          throw new CheckpointConflict({ buckets: commits.slice(1).map(({ bucket }) => bucket) });
        }
        await checkpoints.commit(commits);
        if (this.#failsNow('answer-lost')) throw new Error('the answer is lost');
      },
      readOutbox: (limit) => checkpoints.readOutbox(limit),
      removeFromOutbox: (items) => checkpoints.removeFromOutbox(items),
    };
  }

  /** What is kept at the end: in the history, in the outbox, in the checkpoints. */
  async facts(): Promise<Facts> {
    const buckets = Array.from({ length: this.#pipeline.bucketCount }, (_, bucket) => bucket);
    const signals: Record<number, string[]> = {};
    for (const item of await this.checkpoints.readOutbox(1e6)) {
      signals[item.bucket] = [...(signals[item.bucket] ?? []), ...item.signals.map((signal) => JSON.stringify(signal))];
    }
    const saved = await this.checkpoints.load(buckets);
    const states = saved.map(({ bucket, state }) => [bucket, restore(this.#pipeline, unpackState(state))] as const);
    return {
      bars: sortedLines(this.history.bars.values()),
      signals,
      late: sortedLines(this.history.late.values()),
      quarantined: sortedLines(this.history.quarantined.values()),
      counts: Object.fromEntries(states.map(([bucket, state]) => [bucket, countsOf(state)])),
    };
  }
}

/** A conflict is how the fence answers an invocation from the past. */
function ignoreFailure(error: unknown): void {
  if (error instanceof AssertionError) throw error;
}
