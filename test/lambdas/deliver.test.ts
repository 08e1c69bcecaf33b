import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { signalEventOf } from '../../adapters/bus/signal-event.ts';
import type { Clock } from '../../adapters/delivery/clock.ts';
import { Dispatcher } from '../../adapters/delivery/dispatcher.ts';
import type { DeliveryEvent } from '../../adapters/delivery/events.ts';
import { disable, resume } from '../../adapters/delivery/repairs.ts';
import type { Attempt, Outcome } from '../../adapters/delivery/sender.ts';
import type { RoundCall } from '../../adapters/delivery/rounds.ts';
import { SqliteDeliveries } from '../../adapters/delivery/sqlite.ts';
import { type Endpoint, webhook } from '../../core/delivery.ts';
import type { EndpointState } from '../../core/endpoint-state.ts';
import type { LinkedSignal } from '../../core/signal.ts';
import { type DelivererFact, makeDeliverer } from '../../lambdas/deliver.ts';
import { deliverLineOf } from '../../lambdas/entry/deliver-report.ts';
import type { DeliverEvent } from '../../lambdas/events/deliver.ts';
import { FakeClock } from '../adapters/delivery/fake-clock.ts';
import { MemoryOrders } from '../adapters/delivery/memory-orders.ts';
import { MemoryRoundLeases } from '../adapters/delivery/memory-round-leases.ts';
import { linkedSignals, signalOf } from '../adapters/delivery/signals.ts';
import { tries } from '../tries.ts';

const hooks = webhook({ name: 'hooks', url: 'https://example.com/hooks' });
const [secondMs, minuteMs] = [1_000, 60_000];

describe('signals of the queue', () => {
  it('are taken on and delivered by a round that is called; only what could not be read comes again', async () => {
    const world = new World();
    const answer = await world.deliver({
      Records: [messageOf('a', signalOf('IBM', 0)), { messageId: 'b', body: '{"data":{}}' }, { messageId: 'c', body: 'no' }],
    });
    expect(answer).toEqual({ batchItemFailures: [{ itemIdentifier: 'b' }, { itemIdentifier: 'c' }] });
    expect(world.called).toEqual(['hooks']);
    expect(world.attempts).toEqual([]);
    await world.clock.pass(secondMs);
    expect(world.attempts.map(({ deliveryId }) => deliveryId)).toEqual([signalOf('IBM', 0).signalId]);
    expect(deliverLineOf(world.facts, world.events)).toMatchObject({ delivered: 1, badMessages: 2, deadLetters: 0, attemptsFailed: 0 });
  });

  it('that come twice are delivered once', async () => {
    const world = new World();
    for (const messageId of ['a', 'b']) {
      await world.deliver({ Records: [messageOf(messageId, signalOf('IBM', 0))] });
      await world.clock.pass(secondMs);
    }
    expect(world.attempts).toHaveLength(1);
    expect(world.facts.findLast(({ kind }) => kind === 'offered')).toMatchObject({ offered: { enqueued: 0, repeated: 1 } });
  });

  it('are done although their receiver fails: the first retry is the round’s, the rest is the sweep’s', async () => {
    const world = new World();
    world.answers = [failed, failed];
    expect(await world.deliver({ Records: [messageOf('a', signalOf('IBM', 0))] })).toEqual({ batchItemFailures: [] });
    await world.clock.pass(12 * secondMs);
    expect(world.attempts).toHaveLength(2);
    expect(await world.store.countsOf('hooks')).toMatchObject({ pending: 1 });
    await world.sweep();
    expect(world.called).toHaveLength(1);
    await world.clock.pass(6 * minuteMs);
    await world.sweep();
    expect(world.attempts).toHaveLength(3);
    expect(await world.store.countsOf('hooks')).toMatchObject({ pending: 0, delivered: 1 });
  });

  it('go in the order in which those of each symbol were raised, however the bus and the queue have mixed and repeated them and who dies', async () => {
    const signals = [...linkedSignals('IBM', 5), ...linkedSignals('MSFT', 4)];
    const arrivals = fc.tuple(
      fc.shuffledSubarray(signals, { minLength: signals.length }),
      fc.array(fc.constantFrom(...signals), { maxLength: 6 }),
    );
    const sizes = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 3 }));
    await fc.assert(
      fc.asyncProperty(arrivals, sizes, fc.infiniteStream(fc.nat(5)), async ([all, repeats], [size, together], chance) => {
        const world = new World();
        world.isDying = () => chance.next().value === 0;
        const messages = [...repeats.slice(0, 3), ...all, ...repeats.slice(3)].map((signal, i) => messageOf(String(i), signal));
        const batches = partsOf(messages, size);
        const comeAgain: typeof batches = [];
        const deliver = (Records: (typeof batches)[number]) => world.deliver({ Records }).catch(() => comeAgain.push(Records));
        for (const some of partsOf(batches, together)) await Promise.all(some.map(deliver));
        world.isDying = () => false;
        for (const Records of comeAgain) await world.deliver({ Records });
        await world.clock.pass(secondMs);
        expect(world.sentBySymbol()).toEqual(
          Map.groupBy(
            signals.map(({ signalId }) => signalId),
            symbolOf,
          ),
        );
      }),
      { numRuns: 30 },
    );
  });

  it('that follow one that never comes are sent after a minute, in order, and the gap is counted', async () => {
    const world = new World();
    const [first, missing, ...rest] = linkedSignals('IBM', 5);
    await world.deliver({ Records: [first, ...rest.toReversed()].map((signal, i) => messageOf(String(i), signal as LinkedSignal)) });
    await world.clock.pass(59_999);
    await world.deliver({ sweep: true });
    expect(world.attempts).toHaveLength(1);
    await world.clock.pass(1);
    await world.sweep();
    expect(world.attempts.map(({ deliveryId }) => deliveryId)).toEqual([first, ...rest].map((signal) => signal?.signalId));
    expect(deliverLineOf(world.facts, world.events)).toMatchObject({ gaps: 1, delivered: 4 });
    await world.deliver({ Records: [messageOf('late', missing as LinkedSignal)] });
    await world.clock.pass(secondMs);
    expect(world.attempts.at(-1)?.deliveryId).toBe(missing?.signalId);
  });

  it('come again, all of them, when nothing can be made durable', async () => {
    const world = new World();
    world.store.close();
    await expect(world.deliver({ Records: [messageOf('a', signalOf('IBM', 0))] })).rejects.toThrow();
    expect(world.called).toEqual([]);
  });
});

describe('endpoints', () => {
  it('do not wait for one another: a receiver that takes four seconds holds up nobody else', async () => {
    const alone = await minuteOf([fast]);
    const beside = await minuteOf([fast, slow]);
    expect(alone).toHaveLength(300);
    expect(beside).toHaveLength(300);
    expect(p99Of(beside)).toBeLessThanOrEqual(2 * p99Of(alone));
    expect(p99Of(beside)).toBeLessThan(2 * secondMs);
  });

  it('have eight requests under way at most, over all invocations and however many rounds that takes; nobody else has to call the next', async () => {
    const world = new World([slow]);
    world.answer = () => world.after(4 * secondMs, delivered);
    await world.take(300);
    expect(world.called).toEqual(['slow']);
    await world.clock.pass(4 * minuteMs);
    expect(await world.store.countsOf('slow')).toMatchObject({ pending: 0, delivered: 300 });
    expect(world.mostAtOnce.get('slow')).toBe(8);
    expect(new Set(world.attempts.map(({ deliveryId }) => deliveryId)).size).toBe(world.attempts.length);
  });

  it('have one request under way while they are down, whoever takes on and sweeps', async () => {
    const world = new World();
    const { clock, store } = world;
    const isDown = {
      kind: 'failing',
      failures: 20,
      failedAtMs: clock.now(),
      sinceMs: clock.now(),
      notBeforeMs: clock.now(),
      reason: '503',
    };
    await store.changeEndpoint('hooks', () => isDown as never);
    world.answer = () => world.after(10 * secondMs, failed);
    for (let minute = 0; minute < 10; minute++) {
      await world.take(100, minute);
      await world.sweep();
      await clock.pass(minuteMs - secondMs);
    }
    expect(world.mostAtOnce.get('hooks')).toBe(1);
    expect(world.attempts.length).toBeGreaterThan(1);
    expect(world.attempts.length).toBeLessThan(10);
  });

  it('that are down get a round from the sweep when they may be tried again, although nothing is due by the schedule', async () => {
    const world = new World();
    world.answers = [failed, failed];
    await world.take(1);
    await world.clock.pass(minuteMs);
    const [lane] = await world.store.waitingLanes('hooks', 1);
    await world.store.changeEndpoint('hooks', () => downSince(world.clock.now()));
    await world.sweep();
    expect(lane?.dueAtMs).toBeGreaterThan(world.clock.now() + minuteMs);
    expect(await world.store.countsOf('hooks')).toMatchObject({ pending: 0, delivered: 1 });
  });

  it('that are closed are not called for, nor those where nothing is due or a round is under way', async () => {
    const world = new World();
    await disable(world.store, 'hooks', world.clock.now());
    await world.take(20);
    await world.sweep();
    expect(world.called).toEqual([]);
    await resume(world.store, 'hooks', world.clock.now());
    world.answer = () => world.after(4 * secondMs, delivered);
    await world.sweep();
    await world.sweep();
    expect(world.called).toEqual(['hooks']);
    await world.clock.pass(minuteMs);
    await world.sweep();
    expect(world.called).toEqual(['hooks']);
    expect(await world.store.countsOf('hooks')).toMatchObject({ pending: 0, delivered: 20 });
  });
});

describe('a round', () => {
  it('goes on in another when its time is over, with one request at a time in each lane', async () => {
    const world = new World();
    world.answer = () => world.after(10 * secondMs, delivered);
    await world.deliver({ Records: Array.from({ length: 12 }, (_, i) => messageOf(`${i}`, linkedSignals('IBM', 12)[i] as LinkedSignal)) });
    await world.clock.pass(3 * minuteMs);
    expect(await world.store.countsOf('hooks')).toMatchObject({ pending: 0, delivered: 12 });
    expect(world.called.length).toBeGreaterThan(2);
    expect(world.mostAtOnce.get('hooks')).toBe(1);
    expect(world.attempts).toHaveLength(12);
  });

  it('begins nothing that it has no time for', async () => {
    const world = new World();
    world.answer = () => world.after(4 * secondMs, delivered);
    world.callFails = true;
    await world.take(300);
    await world.deliver({ endpoint: 'hooks', lease: 'a' }, { passMs: minuteMs });
    expect(world.attempts.every(({ attemptedAtMs }) => attemptedAtMs <= world.startMs + 42 * secondMs)).toBe(true);
    expect(world.attempts.length).toBeLessThan(100);
  });

  it('sees within a second what others have taken on, while it waits for something else', async () => {
    const world = new World();
    world.answers = [failed];
    await world.deliver({ Records: [messageOf('a', signalOf('IBM', 0))] });
    await world.clock.pass(2 * secondMs);
    const takenMs = world.clock.now();
    await world.deliver({ Records: [messageOf('b', signalOf('MSFT', 0))] });
    await world.clock.pass(10 * secondMs);
    expect(world.called).toEqual(['hooks']);
    expect(world.attempts.map(({ signals }) => signals[0]?.symbol)).toEqual(['IBM', 'MSFT', 'IBM']);
    expect(Number(world.attempts[1]?.attemptedAtMs) - takenMs).toBeLessThan(secondMs);
  });

  it('sees within a second that its endpoint was disabled, and the sweep that it was resumed', async () => {
    const world = new World();
    world.answer = () => world.after(secondMs, delivered);
    await world.take(300);
    await world.clock.pass(4 * secondMs);
    const disabledMs = world.clock.now();
    await disable(world.store, 'hooks', disabledMs);
    await world.clock.pass(minuteMs);
    const sent = world.attempts.length;
    expect(Number(world.attempts.at(-1)?.attemptedAtMs) - disabledMs).toBeLessThan(secondMs);
    await resume(world.store, 'hooks', world.clock.now());
    await world.sweep();
    await world.clock.pass(minuteMs);
    expect(sent).toBeLessThan(300);
    expect(world.attempts).toHaveLength(300);
  });

  it('that dies loses nothing: the sweep calls the next when its lease is over, at most two minutes later', async () => {
    const world = new World();
    await world.deliver({ Records: [messageOf('a', signalOf('IBM', 0))] }, { callDies: true });
    await world.clock.pass(secondMs);
    expect(world.attempts).toHaveLength(1);
    await world.take(20, 1);
    for (let minute = 0; minute < 2; minute++) {
      await world.clock.pass(minuteMs - secondMs);
      await world.sweep();
    }
    expect(await world.store.countsOf('hooks')).toMatchObject({ pending: 0, delivered: 21 });
    expect(world.mostAtOnce.get('hooks')).toBeLessThanOrEqual(1 + 8);
  });

  it('that could not be called is called by the sweep, and that is told', async () => {
    const world = new World();
    world.callFails = true;
    await world.deliver({ Records: [messageOf('a', signalOf('IBM', 0))] });
    await world.clock.pass(secondMs);
    expect(world.facts).toContainEqual({ kind: 'call-failed', endpoint: 'hooks', reason: 'Error: 429' });
    expect(deliverLineOf(world.facts, world.events).problems).toMatchObject([{ kind: 'call-failed' }]);
    world.callFails = false;
    await world.sweep();
    expect(await world.store.countsOf('hooks')).toMatchObject({ delivered: 1 });
  });

  it('has nothing under way when it has failed, and leaves its endpoint to the next', async () => {
    const world = new World();
    const { store, clock, leases } = world;
    const [claim, settle, end] = [store.claim.bind(store), store.settle.bind(store), leases.end.bind(leases)];
    let settling = 0;
    store.settle = async (settlements) => {
      settling++;
      await world.after(3 * secondMs);
      settling--;
      return settle(settlements);
    };
    const settlingAtEnd: number[] = [];
    leases.end = (...args) => {
      settlingAtEnd.push(settling);
      return end(...args);
    };
    world.answer = ({ signals: [signal] }) => world.after(signal?.symbol === 'S0' ? secondMs : 5 * secondMs, delivered);
    await world.take(300);
    await clock.pass(11 * secondMs);
    store.claim = async () => {
      throw new Error('no table');
    };
    await clock.pass(10 * secondMs);
    expect([world.failures, settlingAtEnd]).toEqual([['no table'], [0]]);
    Object.assign(store, { claim, settle });
    await world.sweep();
    await clock.pass(5 * minuteMs);
    expect(await store.countsOf('hooks')).toMatchObject({ pending: 0, delivered: 300 });
  });

  it('and those who take on miss nothing, in whichever order their reads and writes come: no sweep is needed', async () => {
    const startMax = 12;
    const starts = fc.array(fc.nat({ max: startMax }), { minLength: 2, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), starts, async (scheduler, startsAfter) => {
        const world = new World();
        const { store, leases } = world;
        const inAnyOrder = <Args extends unknown[], T>(call: (...args: Args) => Promise<T>) => scheduler.scheduleFunction(call);
        store.claim = inAnyOrder(store.claim.bind(store));
        store.enqueue = inAnyOrder(store.enqueue.bind(store));
        leases.take = inAnyOrder(leases.take.bind(leases));
        leases.end = inAnyOrder(leases.end.bind(leases));
        leases.isTaken = inAnyOrder(leases.isTaken.bind(leases));
        world.callMs = 0;
        const taking: Promise<unknown>[] = [];
        for (let step = 0, quietTurns = 0; quietTurns < 8; step++) {
          for (const [i, after] of startsAfter.entries())
            if (after === step) taking.push(world.invoke({ Records: [messageOf(`${i}`, signalOf(`S${i}`, 0))] }));
          await nextTurn();
          const isMore = scheduler.count() > 0 || step < startMax;
          if (scheduler.count() > 0) await scheduler.waitOne();
          quietTurns = isMore ? 0 : quietTurns + 1;
        }
        await Promise.all(taking);
        expect(world.attempts).toHaveLength(startsAfter.length);
        expect(world.mostAtOnce.get('hooks')).toBeLessThanOrEqual(8);
      }),
      { numRuns: tries(400) },
    );
  });
});

const delivered: Outcome = { kind: 'delivered', status: 204 };
const failed: Outcome = { kind: 'failed', reason: 'status 500', status: 500 };
const fast = webhook({ name: 'fast', url: 'https://example.com/fast' });
const slow = webhook({ name: 'slow', url: 'https://example.com/slow' });

function downSince(sinceMs: number): EndpointState {
  return { kind: 'failing', failures: 20, sinceMs, notBeforeMs: sinceMs, reason: 'status 503' };
}

/** How long after the minute each of 300 signals was with the fast one of these endpoints, in order. */
async function minuteOf(endpoints: readonly Endpoint[]): Promise<number[]> {
  const world = new World(endpoints);
  const tookMs: number[] = [];
  world.answer = async ({ endpoint }) => {
    await world.after(endpoint.name === 'slow' ? 4 * secondMs : 20);
    if (endpoint.name === 'fast') tookMs.push(world.clock.now() - world.startMs);
    return delivered;
  };
  await world.take(300);
  await world.clock.pass(minuteMs);
  return tookMs;
}

function p99Of(sorted: readonly number[]): number {
  return sorted[Math.ceil(0.99 * sorted.length) - 1] ?? Number.NaN;
}

function symbolOf(signalId: string): string {
  return signalId.split('_')[2] as string;
}

function partsOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

function messageOf(messageId: string, signal: LinkedSignal) {
  return { messageId, body: JSON.stringify(signalEventOf(signal, { source: '/tapeline/test' })) };
}

/** One table, and invocations of the function, which call others: each has a dispatcher of its own, as in Lambda. */
class World {
  readonly clock = new FakeClock();
  readonly startMs = this.clock.now();
  readonly store = new SqliteDeliveries(':memory:');
  readonly orders = new MemoryOrders();
  readonly leases = new MemoryRoundLeases();
  readonly attempts: Attempt[] = [];
  readonly facts: DelivererFact[] = [];
  readonly events: DeliveryEvent[] = [];
  /** Endpoints that rounds were called for. */
  readonly called: string[] = [];
  /** What called rounds have failed with. */
  readonly failures: string[] = [];
  /** Requests under way to each endpoint, over all invocations. */
  readonly atOnce = new Map<string, number>();
  readonly mostAtOnce = new Map<string, number>();
  answers: Outcome[] = [];
  answer = async (_: Attempt): Promise<Outcome> => this.answers.shift() ?? delivered;
  /** From a call to the round that it begins. */
  callMs = 50;
  callFails = false;
  /** Whether an invocation ends when it has offered signals and not yet noted that. */
  isDying = () => false;
  readonly #endpoints: readonly Endpoint[];

  constructor(endpoints: readonly Endpoint[] = [hooks]) {
    this.#endpoints = endpoints;
  }

  sentBySymbol(): Map<string, string[]> {
    return Map.groupBy(
      this.attempts.map(({ deliveryId }) => deliveryId),
      symbolOf,
    );
  }

  after<T>(ms: number, value?: T): Promise<T> {
    return new Promise((resolve) => this.clock.after(ms, () => resolve(value as T)));
  }

  /** So many signals of as many symbols come at once, as the queue hands them over: in tens, to ten invocations. */
  async take(symbols: number, number = 0): Promise<void> {
    const messages = Array.from({ length: symbols }, (_, i) => messageOf(`${i}`, signalOf(`S${i}`, number)));
    const batches = partsOf(messages, 10);
    const invocations = Array.from({ length: 10 }, async () => {
      for (let Records = batches.shift(); Records !== undefined; Records = batches.shift()) await this.invoke({ Records });
    });
    await this.clock.pass(0);
    await Promise.all(invocations);
  }

  /** And the second after it, in which what it calls begins. */
  async sweep(): Promise<void> {
    await this.deliver({ sweep: true });
    await this.clock.pass(secondMs);
  }

  async deliver(event: DeliverEvent, { passMs = 0, callDies = false } = {}) {
    const answer = this.invoke(event, { callDies });
    answer.catch(() => undefined);
    await this.clock.pass(passMs);
    return answer;
  }

  /** @param isDead the process stands still when it has sent something */
  invoke(event: DeliverEvent, { isDead = false, callDies = false } = {}) {
    const clock: Clock = isDead ? { now: this.clock.now, after: () => () => undefined } : this.clock;
    const deliver = makeDeliverer({
      endpoints: this.#endpoints,
      store: this.store,
      orders: {
        load: (symbol) => this.orders.load(symbol),
        save: (kept) => (this.isDying() ? Promise.reject(new Error('died')) : this.orders.save(kept)),
        overdue: (nowMs, limit) => this.orders.overdue(nowMs, limit),
      },
      leases: this.leases,
      makeDispatcher: (endpoint) =>
        new Dispatcher({
          endpoints: [endpoint],
          store: this.store,
          sender: { send: (attempt) => this.#send(attempt, isDead) },
          clock,
          random: () => 0,
          onEvent: (each) => this.events.push(each),
        }),
      call: (round) => this.#call(round, callDies),
      clock,
      report: (fact) => this.facts.push(fact),
    });
    const endMs = this.clock.now() + minuteMs;
    return deliver(event, { getRemainingTimeInMillis: () => endMs - this.clock.now() });
  }

  async #send(attempt: Attempt, isDead: boolean): Promise<Outcome> {
    const { name } = attempt.endpoint;
    const atOnce = (this.atOnce.get(name) ?? 0) + 1;
    this.attempts.push(attempt);
    this.atOnce.set(name, atOnce);
    this.mostAtOnce.set(name, Math.max(this.mostAtOnce.get(name) ?? 0, atOnce));
    const outcome = isDead ? await new Promise<never>(() => {}) : await this.answer(attempt);
    this.atOnce.set(name, (this.atOnce.get(name) ?? 0) - 1);
    return outcome;
  }

  async #call(round: RoundCall, isDead: boolean): Promise<void> {
    if (this.callFails) throw new Error('429');
    this.called.push(round.endpoint);
    const begin = () => void this.invoke(round, { isDead }).catch((error: Error) => this.failures.push(error.message));
    if (this.callMs === 0) begin();
    else this.clock.after(this.callMs, begin);
  }
}
