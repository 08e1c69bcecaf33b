import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { signalEventOf } from '../../adapters/bus/signal-event.ts';
import { Dispatcher } from '../../adapters/delivery/dispatcher.ts';
import type { DeliveryEvent } from '../../adapters/delivery/events.ts';
import { resume } from '../../adapters/delivery/repairs.ts';
import type { Attempt, Outcome } from '../../adapters/delivery/sender.ts';
import { SqliteDeliveries } from '../../adapters/delivery/sqlite.ts';
import { webhook } from '../../core/delivery.ts';
import type { LinkedSignal } from '../../core/signal.ts';
import { type DelivererFact, makeDeliverer } from '../../lambdas/deliver.ts';
import { deliverLineOf } from '../../lambdas/entry/deliver-report.ts';
import { FakeClock } from '../adapters/delivery/fake-clock.ts';
import { MemoryOrders } from '../adapters/delivery/memory-orders.ts';
import { linkedSignals, signalOf } from '../adapters/delivery/signals.ts';

const endpoints = [webhook({ name: 'hooks', url: 'https://example.com/hooks' })];

describe('the handler of the queue', () => {
  it('takes signals on, delivers them, and sends only what it could not read back to the queue', async () => {
    const world = new World();
    const answer = await world.deliver({
      Records: [messageOf('a', signalOf('IBM', 0)), { messageId: 'b', body: '{"data":{}}' }, { messageId: 'c', body: 'no' }],
    });
    expect(answer).toEqual({ batchItemFailures: [{ itemIdentifier: 'b' }, { itemIdentifier: 'c' }] });
    expect(world.attempts.map(({ deliveryId }) => deliveryId)).toEqual([signalOf('IBM', 0).signalId]);
    expect(deliverLineOf(world.facts, world.events)).toMatchObject({ delivered: 1, badMessages: 2, deadLetters: 0, attemptsFailed: 0 });
  });

  it('delivers a message that comes twice once', async () => {
    const world = new World();
    for (const messageId of ['a', 'b']) await world.deliver({ Records: [messageOf(messageId, signalOf('IBM', 0))] });
    expect(world.attempts).toHaveLength(1);
    expect(world.facts.findLast(({ kind }) => kind === 'offered')).toMatchObject({ offered: { enqueued: 0, repeated: 1 } });
  });

  it('is done with a message whose receiver fails: the first retry is its own, the rest is the sweep’s', async () => {
    const world = new World();
    world.answers = [failed, failed];
    expect(await world.deliver({ Records: [messageOf('a', signalOf('IBM', 0))] }, 12_000)).toEqual({ batchItemFailures: [] });
    expect(world.attempts).toHaveLength(2);
    expect(await world.store.countsOf('hooks')).toMatchObject({ pending: 1 });
    await world.deliver({});
    expect(world.attempts).toHaveLength(2);
    await world.clock.pass(6 * 60_000);
    await world.deliver({});
    expect(world.attempts).toHaveLength(3);
    expect(await world.store.countsOf('hooks')).toMatchObject({ pending: 0, delivered: 1 });
  });

  it('begins nothing that it has no time for, and leaves it to the sweep', async () => {
    const world = new World();
    await world.store.changeEndpoint('hooks', () => ({ kind: 'disabled', cause: 'command', reason: 'x', sinceMs: world.clock.now() }));
    await world.deliver({ Records: Array.from({ length: 30 }, (_, i) => messageOf(`${i}`, signalOf('IBM', i))) });
    await resume(world.store, 'hooks', world.clock.now());
    await world.deliver({}, 0, 18_000);
    expect(world.attempts.length).toBeLessThan(30);
    await world.deliver({});
    expect(world.attempts).toHaveLength(30);
  });

  it('sends the signals of each symbol in the order they were raised, however the bus and the queue have mixed and repeated them and who dies', async () => {
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

  it('sends what follows a signal that never comes after a minute, in order, and counts the gap', async () => {
    const world = new World();
    const [first, missing, ...rest] = linkedSignals('IBM', 5);
    await world.deliver({ Records: [first, ...rest.toReversed()].map((signal, i) => messageOf(String(i), signal as LinkedSignal)) });
    await world.clock.pass(59_999);
    await world.deliver({});
    expect(world.attempts).toHaveLength(1);
    await world.clock.pass(1);
    await world.deliver({});
    expect(world.attempts.map(({ deliveryId }) => deliveryId)).toEqual([first, ...rest].map((signal) => signal?.signalId));
    expect(deliverLineOf(world.facts, world.events)).toMatchObject({ gaps: 1, delivered: 4 });
    await world.deliver({ Records: [messageOf('late', missing as LinkedSignal)] });
    expect(world.attempts.at(-1)?.deliveryId).toBe(missing?.signalId);
  });

  it('fails as a whole when nothing can be made durable, so that all comes again', async () => {
    const world = new World();
    world.store.close();
    await expect(world.deliver({ Records: [messageOf('a', signalOf('IBM', 0))] })).rejects.toThrow();
    expect(world.attempts).toEqual([]);
  });
});

const failed: Outcome = { kind: 'failed', reason: 'status 500', status: 500 };

function symbolOf(signalId: string): string {
  return signalId.split('_')[2] as string;
}

function partsOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

function messageOf(messageId: string, signal: LinkedSignal) {
  return { messageId, body: JSON.stringify(signalEventOf(signal, { source: '/tapeline/test' })) };
}

/** One table, and a dispatcher for each invocation, as in Lambda. */
class World {
  readonly clock = new FakeClock();
  readonly store = new SqliteDeliveries(':memory:');
  readonly orders = new MemoryOrders();
  readonly attempts: Attempt[] = [];
  readonly facts: DelivererFact[] = [];
  readonly events: DeliveryEvent[] = [];
  answers: Outcome[] = [];
  /** Whether an invocation ends when it has offered signals and not yet noted that. */
  isDying = () => false;

  sentBySymbol(): Map<string, string[]> {
    return Map.groupBy(
      this.attempts.map(({ deliveryId }) => deliveryId),
      symbolOf,
    );
  }

  /** @param passMs how long the clock goes on meanwhile */
  async deliver(event: Parameters<ReturnType<typeof makeDeliverer>>[0], passMs = 0, remainingMs = 120_000) {
    const send = async (attempt: Attempt): Promise<Outcome> => {
      this.attempts.push(attempt);
      return this.answers.shift() ?? { kind: 'delivered' };
    };
    const deliver = makeDeliverer({
      makeDispatcher: () =>
        new Dispatcher({
          endpoints,
          store: this.store,
          sender: { send },
          clock: this.clock,
          random: () => 0,
          onEvent: (each) => this.events.push(each),
        }),
      orders: {
        load: (symbol) => this.orders.load(symbol),
        save: (kept) => (this.isDying() ? Promise.reject(new Error('died')) : this.orders.save(kept)),
        overdue: (nowMs, limit) => this.orders.overdue(nowMs, limit),
      },
      clock: this.clock,
      report: (fact) => this.facts.push(fact),
    });
    const answer = deliver(event, { getRemainingTimeInMillis: () => remainingMs });
    answer.catch(() => undefined);
    await this.clock.pass(passMs);
    return answer;
  }
}
