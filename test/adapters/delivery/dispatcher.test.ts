import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Dispatcher } from '../../../adapters/delivery/dispatcher.ts';
import type { DeliveryEvent } from '../../../adapters/delivery/events.ts';
import { requeueAll, resume } from '../../../adapters/delivery/repairs.ts';
import type { Attempt, Outcome, Sender } from '../../../adapters/delivery/sender.ts';
import { SqliteDeliveries } from '../../../adapters/delivery/sqlite.ts';
import { type Endpoint, slack, webhook } from '../../../core/delivery.ts';
import { attemptsMax, attemptWaitsMs } from '../../../core/retry-schedule.ts';
import type { Signal } from '../../../core/signal.ts';
import { FakeClock } from './fake-clock.ts';
import { signalOf } from './signals.ts';

const [secondMs, minuteMs, hourMs] = [1_000, 60_000, 3_600_000];
const hooks = webhook({ name: 'hooks', url: 'https://example.com/hooks' });

describe('any outcomes', () => {
  it('leave each signal delivered, waiting, dead or dropped; in order in each lane; and tried no more often than the schedule says', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ symbol: fc.constantFrom('A', 'B', 'C'), afterMs: fc.nat({ max: 8 * hourMs }) }), {
          minLength: 1,
          maxLength: 12,
        }),
        fc.array(outcomes, { minLength: 1, maxLength: 60 }),
        fc.constantFrom<Partial<Endpoint>>({}, { batch: { signalsMax: 3, waitMs: 60_000 } }, { symbols: ['A', 'B'] }, drops),
        async (arrivals, script, choices) => {
          const endpoint = webhook({ ...hooks, ...choices } as typeof hooks);
          const receiver = new Receiver(script);
          await withDispatcher({ endpoints: [endpoint], sender: receiver }, async ({ clock, dispatcher, store, events }) => {
            let offered = 0;
            let set = { aside: 0, waiting: 0 };
            for (const [i, { symbol, afterMs }] of arrivals.entries()) {
              await clock.pass(afterMs);
              const { filtered, enqueued, silenced } = await dispatcher.offer([signalOf(symbol, i)]);
              // What is offered once more, as after a crash, changes nothing.
              expect(await dispatcher.offer([signalOf(symbol, i)])).toMatchObject({ enqueued: 0, silenced: 0 });
              offered += 1;
              set = { aside: set.aside + filtered + silenced, waiting: set.waiting + enqueued };
            }
            await clock.pass(400 * hourMs);
            const { pending, dead, delivered } = await store.countsOf('hooks');
            expect(offered).toBe(set.aside + set.waiting);
            expect(set.waiting).toBe(pending + dead + delivered);
            const waits = pending > 0 ? (await store.endpointState('hooks')).kind : 'disabled';
            expect(waits).toBe('disabled');
            receiver.expectOrder();
            for (const event of events) if ('attempts' in event) expect(event.attempts).toBeLessThanOrEqual(attemptsMax);
            expect(new Set(receiver.arrived.map(({ signalId }) => signalId)).size).toBe(delivered);
          });
        },
      ),
      { numRuns: 40 },
    );
  });

  const outcomes = fc.oneof(
    { weight: 6, arbitrary: fc.constant<Outcome>({ kind: 'delivered', status: 200 }) },
    { weight: 8, arbitrary: fc.constant<Outcome>({ kind: 'failed', reason: 'status 500', status: 500 }) },
    {
      weight: 1,
      arbitrary: fc.nat({ max: 48 * hourMs }).map((retryAfterMs): Outcome => ({ kind: 'failed', reason: '429', retryAfterMs })),
    },
    { weight: 1, arbitrary: fc.constantFrom<Outcome>({ kind: 'gone', reason: 'status 410' }, { kind: 'refused', reason: 'no secret' }) },
  );
  const drops = { silence: [{ from: '22:00', to: '07:00' }], onSilence: 'drop' } as const;
});

describe('a receiver that was down for 72 hours', () => {
  it('gets every signal once, in order of each symbol, and soon', async () => {
    const downMs = 72 * hourMs;
    const receiver = new Receiver([]);
    await withDispatcher({ endpoints: [hooks], sender: receiver }, async ({ clock, dispatcher, store, events }) => {
      const startMs = clock.now();
      receiver.answer = () => (clock.now() - startMs < downMs ? failed : delivered);
      const symbols = Array.from({ length: 40 }, (_, i) => `S${i}`);
      let number = 0;
      for (; clock.now() - startMs < downMs + hourMs; number++) {
        // A few symbols have no more signals, so that nothing but time sends what they had.
        await dispatcher.offer(symbols.slice(0, number < 3 ? 40 : 30).map((symbol) => signalOf(symbol, number)));
        await clock.pass(30 * minuteMs);
      }
      expect(receiver.arrived).toHaveLength(3 * 40 + (number - 3) * 30);
      expect(new Set(receiver.arrived.map(({ signalId }) => signalId)).size).toBe(receiver.arrived.length);
      receiver.expectOrder();
      expect(await store.countsOf('hooks')).toMatchObject({ pending: 0, dead: 0 });
      const recovered = events.find(({ kind }) => kind === 'endpoint.recovered');
      expect((recovered?.atMs ?? Number.NaN) - startMs - downMs).toBeLessThan(6 * minuteMs + secondMs);
      // All that had waited went out with the success, and not each by its own schedule.
      const lastOfBacklog = receiver.attempts.findLast(
        ({ signals }) => Number(signals[0]?.windowEndMs) < signalOf('S0', number - 3).windowEndMs,
      );
      expect((lastOfBacklog?.attemptedAtMs ?? Number.NaN) - Number(recovered?.atMs)).toBeLessThan(secondMs);
    });
  });

  it('gets the one signal that ever came: by the schedule, which counts, and soon after it is back by what is sent beside it', async () => {
    const receiver = new Receiver([]);
    await withDispatcher({ endpoints: [hooks], sender: receiver, random: () => 0 }, async ({ clock, dispatcher, events }) => {
      const startMs = clock.now();
      receiver.answer = () => (clock.now() - startMs < 72 * hourMs ? failed : delivered);
      await dispatcher.offer([signalOf('IBM', 0)]);
      await clock.pass(100 * hourMs);
      const counted = events.flatMap((event) => (event.kind === 'delivery.failed' ? [event.atMs - startMs] : []));
      expect(counted).toHaveLength(9);
      for (const [i, sinceStartMs] of counted.entries()) {
        const scheduledMs = attemptWaitsMs.slice(0, i + 1).reduce((sum, ms) => sum + ms);
        // Each can come as much later as one must wait for another that does not count.
        expect(sinceStartMs).toBeGreaterThanOrEqual(scheduledMs);
        expect(sinceStartMs).toBeLessThanOrEqual(scheduledMs + i * 5 * minuteMs);
      }
      expect(Number(receiver.attempts.at(-1)?.attemptedAtMs) - startMs - 72 * hourMs).toBeLessThan(5 * minuteMs);
      expect(new Set(receiver.attempts.map(({ deliveryId }) => deliveryId))).toEqual(new Set([signalOf('IBM', 0).signalId]));
    });
  });
});

describe('a dispatcher that dies', () => {
  it.each(['before', 'after'] as const)(
    'just %s it has written that an endpoint is back leaves nothing behind that waits for hours',
    async (when) => {
      const receiver = new Receiver([]);
      receiver.answer = () => failed;
      await withDispatcher({ endpoints: [hooks], sender: receiver }, async ({ clock, dispatcher, store }) => {
        for (let number = 0; number < 10; number++) {
          await dispatcher.offer([signalOf(`S${number}`, 0)]);
          await clock.pass(4 * hourMs);
        }
        const change = store.changeEndpoint.bind(store);
        store.changeEndpoint = async (...args) => {
          if (when === 'after') await change(...args);
          throw new Error('killed');
        };
        receiver.answer = () => delivered;
        await clock.pass(7 * minuteMs);
        await expect(dispatcher.untilQuiet()).rejects.toThrow('killed');
        store.changeEndpoint = change;
        const next = new Dispatcher({ endpoints: [hooks], store, sender: receiver, clock });
        // The lane of the attempt that was cut off is free when its lease is over.
        for (let minute = 0; minute < 7; minute++) {
          await next.wake();
          await clock.pass(minuteMs);
        }
        expect(await store.countsOf('hooks')).toEqual({ pending: 0, dead: 0, delivered: 10, dropped: 0 });
      });
    },
  );
});

describe('an endpoint that is down', () => {
  it('is tried by one attempt at a time, and ever less often, while what waits keeps its attempts', async () => {
    const receiver = new Receiver([]);
    receiver.answer = () => failed;
    await withDispatcher({ endpoints: [hooks], sender: receiver, random: () => 0 }, async ({ clock, dispatcher, events, store }) => {
      await dispatcher.offer(Array.from({ length: 200 }, (_, i) => signalOf(`S${i}`, 0)));
      await clock.pass(hourMs);
      expect(receiver.mostAtOnce).toBe(1);
      expect(receiver.attempts.length).toBeGreaterThan(15);
      expect(receiver.attempts.length).toBeLessThan(25);
      expect(events.filter(({ kind }) => kind === 'endpoint.down')).toHaveLength(1);
      const untried = (await store.waitingLanes('hooks', 1_000)).filter(({ attempts }) => attempts === 0);
      expect(untried.length).toBeGreaterThan(170);
    });
  });

  it('was not, when all that is under way fails at once: one failure, and the rest arrives within seconds', async () => {
    const receiver = new Receiver([]);
    await withDispatcher({ endpoints: [hooks], sender: receiver, random: () => 0 }, async ({ clock, dispatcher, store, events }) => {
      const startMs = clock.now();
      const isBroken = () => clock.now() - startMs > 450 && clock.now() - startMs <= 550;
      receiver.answer = () => new Promise((done) => clock.after(100, () => done(isBroken() ? failed : delivered)));
      await dispatcher.offer(Array.from({ length: 60 }, (_, i) => signalOf(`S${i}`, 0)));
      await clock.pass(550);
      expect(receiver.mostAtOnce).toBe(8);
      expect(await store.endpointState('hooks')).toMatchObject({ kind: 'failing', failures: 1 });
      await clock.pass(6 * secondMs);
      expect(receiver.arrived).toHaveLength(60);
      expect(events.filter(({ kind }) => kind.startsWith('endpoint'))).toEqual([]);
    });
  });

  it('is disabled after five days, said once, and gets everything in order when it is resumed', async () => {
    const receiver = new Receiver([]);
    receiver.answer = () => failed;
    await withDispatcher({ endpoints: [hooks], sender: receiver }, async ({ clock, dispatcher, store, events }) => {
      for (let number = 0; number < 10; number++) {
        await dispatcher.offer([signalOf('IBM', number), signalOf('AAPL', number)]);
        await clock.pass(16 * hourMs);
      }
      expect(events.filter(({ kind }) => kind === 'endpoint.disabled')).toMatchObject([{ cause: 'failing', reason: 'status 500' }]);
      const { attempts } = receiver;
      const before = attempts.length;
      await clock.pass(200 * hourMs);
      expect(attempts).toHaveLength(before);
      receiver.answer = () => delivered;
      await resume(store, 'hooks', clock.now());
      await dispatcher.wake();
      await clock.pass(secondMs);
      const { pending, dead, delivered: arrived } = await store.countsOf('hooks');
      expect([pending, dead + arrived]).toEqual([0, 20]);
      expect(arrived).toBeGreaterThan(15);
      receiver.expectOrder();
    });
  });

  it('is disabled at once when it says that it is gone: the delivery waits, and after two weeks nothing more is kept for it', async () => {
    const receiver = new Receiver([{ kind: 'gone', reason: 'status 410' }]);
    await withDispatcher({ endpoints: [hooks], sender: receiver }, async ({ clock, dispatcher, store, events }) => {
      await dispatcher.offer([signalOf('IBM', 0), signalOf('AAPL', 0)]);
      await clock.pass(200 * hourMs);
      expect(receiver.attempts).toHaveLength(1);
      expect(events.at(-1)).toMatchObject({ kind: 'endpoint.disabled', endpoint: 'hooks', cause: 'gone' });
      expect(await store.countsOf('hooks')).toEqual({ pending: 2, dead: 0, delivered: 0, dropped: 0 });
      await clock.pass(15 * 24 * hourMs);
      expect(await dispatcher.offer([signalOf('IBM', 1)])).toMatchObject({ enqueued: 0, abandoned: 1 });
    });
  });

  it('stays disabled for who has asked the store just before that was written, and is answered just after', async () => {
    const receiver = new Receiver([{ kind: 'gone', reason: 'status 410' }]);
    await withDispatcher({ endpoints: [hooks], sender: receiver }, async ({ clock, dispatcher, store }) => {
      const [change, ask] = [store.changeEndpoint.bind(store), store.endpointState.bind(store)];
      const later = (ms: number) => new Promise<void>((resolve) => clock.after(ms, resolve));
      await dispatcher.offer([signalOf('IBM', 0), signalOf('AAPL', 0)]);
      store.changeEndpoint = async (...args) => {
        await later(2 * secondMs);
        return change(...args);
      };
      store.endpointState = async (name) => {
        const state = await ask(name);
        await later(2 * secondMs);
        return state;
      };
      await clock.pass(secondMs);
      await dispatcher.wake();
      await clock.pass(10 * secondMs);
      expect(receiver.attempts).toHaveLength(1);
    });
  });

  it('is disabled while it is refused here, said once, tried every ten minutes, and all goes when what was missing is there', async () => {
    const receiver = new Receiver([]);
    receiver.answer = () => ({ kind: 'refused', reason: 'there is no secret for "hooks"' });
    await withDispatcher({ endpoints: [hooks], sender: receiver }, async ({ clock, dispatcher, store, events }) => {
      await dispatcher.offer([signalOf('IBM', 0), signalOf('AAPL', 0)]);
      await clock.pass(5 * hourMs);
      expect(receiver.attempts).toHaveLength(1 + 6 * 5);
      expect(events.filter(({ kind }) => kind === 'endpoint.disabled')).toMatchObject([{ cause: 'refused' }]);
      receiver.answer = () => delivered;
      await clock.pass(10 * minuteMs);
      expect(await store.countsOf('hooks')).toEqual({ pending: 0, dead: 0, delivered: 2, dropped: 0 });
      expect(events.at(-1)).toMatchObject({ kind: 'delivery.delivered' });
      expect(events.some(({ kind }) => kind === 'endpoint.recovered')).toBe(true);
    });
  });

  it('is left alone for as long as it asks, with all its lanes, but not for more than a day', async () => {
    const receiver = new Receiver([
      { kind: 'failed', reason: 'status 429', retryAfterMs: 20 * minuteMs },
      { kind: 'failed', reason: 'status 503', retryAfterMs: 1e12 },
    ]);
    await withDispatcher({ endpoints: [hooks], sender: receiver, random: () => 0 }, async ({ clock, dispatcher }) => {
      await dispatcher.offer([signalOf('IBM', 0), signalOf('AAPL', 0)]);
      await clock.pass(20 * minuteMs - 1);
      expect(receiver.attempts).toHaveLength(1);
      await clock.pass(1);
      expect(receiver.attempts).toHaveLength(2);
      await clock.pass(24 * hourMs - 1);
      expect(receiver.attempts).toHaveLength(2);
      await clock.pass(1);
      expect(receiver.arrived).toHaveLength(2);
    });
  });
});

describe('endpoints', () => {
  it('do not wait for one another: those that answer are served while others hang, in number bounded', async () => {
    const endpoints = Array.from({ length: 20 }, (_, i) => webhook({ name: `e${i}`, url: `https://example.com/${i}` }));
    const receiver = new Receiver([]);
    receiver.answer = ({ endpoint }) => (Number(endpoint.name.slice(1)) < 8 ? 'hang' : delivered);
    await withDispatcher({ endpoints, sender: receiver, limits: { attemptsMax: 10 } }, async ({ clock, dispatcher, store }) => {
      await dispatcher.offer(Array.from({ length: 30 }, (_, i) => signalOf(`S${i % 6}`, i)));
      await clock.pass(1);
      for (const { name } of endpoints.slice(8)) expect(await store.countsOf(name)).toMatchObject({ pending: 0, delivered: 30 });
      expect(receiver.mostAtOnce).toBeLessThanOrEqual(10);
      await clock.pass(15 * secondMs);
      const tried = (await store.waitingLanes('e0', 9)).filter(({ attempts }) => attempts > 0);
      expect(tried).toMatchObject([{ attempts: 1, reason: 'no answer within 15 s' }]);
    });
  });

  it('that hang and were never heard of before can hold up others for one attempt’s time at most', async () => {
    const endpoints = Array.from({ length: 30 }, (_, i) => webhook({ name: `e${i}`, url: `https://example.com/${i}` }));
    const receiver = new Receiver([]);
    receiver.answer = ({ endpoint }) => (endpoint.name === 'e29' ? delivered : 'hang');
    await withDispatcher({ endpoints, sender: receiver, limits: { attemptsMax: 10 } }, async ({ clock, dispatcher, store }) => {
      await dispatcher.offer([signalOf('IBM', 0)]);
      await clock.pass(45 * secondMs);
      expect(await store.countsOf('e29')).toMatchObject({ delivered: 1 });
      await dispatcher.offer([signalOf('IBM', 1)]);
      await clock.pass(1);
      expect(await store.countsOf('e29')).toMatchObject({ delivered: 2 });
    });
  });

  it('that answer, but slowly, leave one attempt for each other, however much they have to send', async () => {
    const endpoints = Array.from({ length: 13 }, (_, i) => webhook({ name: `e${i}`, url: `https://example.com/${i}` }));
    const receiver = new Receiver([]);
    await withDispatcher({ endpoints, sender: receiver, limits: { attemptsMax: 40 } }, async ({ clock, dispatcher, store }) => {
      receiver.answer = ({ endpoint }) =>
        endpoint.name === 'e12' ? delivered : new Promise((done) => clock.after(10 * secondMs, () => done(delivered)));
      await dispatcher.offer(Array.from({ length: 60 }, (_, i) => signalOf(`S${i}`, 0)));
      await clock.pass(35 * secondMs);
      expect(receiver.mostAtOnce).toBeGreaterThanOrEqual(30);
      for (let more = 1; more <= 10; more++) {
        await dispatcher.offer([signalOf('IBM', more)]);
        await clock.pass(secondMs);
        expect(await store.countsOf('e12')).toMatchObject({ pending: 0, delivered: 60 + more });
      }
      // What is slow arrives too: each goes on with what it has.
      await clock.pass(10 * minuteMs);
      for (const { name } of endpoints) expect(await store.countsOf(name)).toMatchObject({ pending: 0, delivered: 70 });
    });
  });

  it('of which one throws what no sender should go on', async () => {
    const receiver = new Receiver([]);
    receiver.answer = ({ endpoint }) => {
      if (endpoint.name === 'b') throw new Error('a fault of ours');
      return delivered;
    };
    const endpoints = [slack({ name: 'a' }), slack({ name: 'b' })];
    await withDispatcher({ endpoints, sender: receiver }, async ({ clock, dispatcher, store }) => {
      await dispatcher.offer([signalOf('IBM', 0)]);
      await clock.pass(1);
      expect(await store.countsOf('a')).toMatchObject({ delivered: 1 });
      expect(await store.waitingLanes('b', 1)).toMatchObject([{ reason: 'the sender failed: a fault of ours' }]);
    });
  });
});

describe('a delivery that fails while its endpoint answers', () => {
  it('holds up its own symbol only, and is dead after the last attempt; the symbol goes on', async () => {
    const receiver = new Receiver([]);
    const poison = signalOf('IBM', 0).signalId;
    receiver.answer = ({ deliveryId }) => (deliveryId === poison ? { kind: 'failed', reason: 'status 400' } : delivered);
    await withDispatcher({ endpoints: [hooks], sender: receiver }, async ({ clock, dispatcher, store, events }) => {
      await dispatcher.offer([signalOf('IBM', 0), signalOf('IBM', 1)]);
      for (let number = 0; number < 100; number++) {
        await dispatcher.offer([signalOf('AAPL', number)]);
        await clock.pass(hourMs);
      }
      expect(receiver.attempts.filter(({ deliveryId }) => deliveryId === poison)).toHaveLength(attemptsMax);
      expect(await store.countsOf('hooks')).toEqual({ pending: 0, dead: 1, delivered: 101, dropped: 0 });
      expect(events.filter(({ kind }) => kind === 'delivery.dead')).toMatchObject([
        { deliveryId: poison, attempts: 10, reason: 'status 400' },
      ]);
      receiver.answer = () => delivered;
      expect(await requeueAll(store, 'hooks', { batch: { signalsMax: 1, waitMs: 0 }, nowMs: clock.now() })).toBe(1);
      await dispatcher.wake();
      await clock.pass(1);
      expect(receiver.attempts.at(-1)?.deliveryId).toBe(poison);
      expect(await store.countsOf('hooks')).toEqual({ pending: 0, dead: 0, delivered: 102, dropped: 0 });
    });
  });
});

describe('batches', () => {
  const batched = webhook({ ...hooks, batch: { signalsMax: 3, waitMs: 10 * secondMs } });

  it('go when they are full or the first has waited long enough, under one name over all attempts, whatever comes meanwhile', async () => {
    const receiver = new Receiver([delivered, failed, failed]);
    await withDispatcher({ endpoints: [batched], sender: receiver }, async ({ clock, dispatcher }) => {
      await dispatcher.offer([1, 2, 3, 4].map((number) => signalOf('IBM', number)));
      await clock.pass(1);
      expect(receiver.sent()).toEqual([['IBM1', 'IBM2', 'IBM3']]);
      expect(receiver.attempts[0]?.deliveryId).toBe(`${signalOf('IBM', 1).signalId}_and_2`);
      await dispatcher.offer([signalOf('AAPL', 5)]);
      await clock.pass(10 * secondMs);
      expect(receiver.sent()).toEqual([
        ['IBM1', 'IBM2', 'IBM3'],
        ['IBM4', 'AAPL5'],
      ]);
      // It would come first, and would make the batch full.
      await dispatcher.offer([signalOf('IBM', 0)]);
      await clock.pass(hourMs);
      expect(receiver.sent()).toEqual([['IBM1', 'IBM2', 'IBM3'], ['IBM4', 'AAPL5'], ['IBM4', 'AAPL5'], ['IBM4', 'AAPL5'], ['IBM0']]);
    });
  });
});

describe('silent hours', () => {
  // The clock begins on a Monday at 12:00.
  const silence = [{ from: '13:00', to: '15:30' }];

  it('hold back what comes, and what is tried again, until they end', async () => {
    const receiver = new Receiver([failed, failed, failed]);
    await withDispatcher({ endpoints: [{ ...hooks, silence }], sender: receiver, random: () => 0 }, async ({ clock, dispatcher }) => {
      await clock.pass(50 * minuteMs);
      await dispatcher.offer([signalOf('IBM', 0)]);
      await clock.pass(15 * minuteMs);
      expect(receiver.attempts).toHaveLength(3);
      expect(await dispatcher.offer([signalOf('AAPL', 0)])).toMatchObject({ enqueued: 1 });
      await clock.pass(145 * minuteMs - 1);
      expect(receiver.attempts).toHaveLength(3);
      await clock.pass(1);
      expect(receiver.arrived.map(({ symbol }) => symbol).toSorted()).toEqual(['AAPL', 'IBM']);
    });
  });

  it('drop what comes where that is asked for, also when it comes again after them', async () => {
    const receiver = new Receiver([]);
    await withDispatcher(
      { endpoints: [{ ...hooks, silence, onSilence: 'drop' }], sender: receiver },
      async ({ clock, dispatcher, store }) => {
        await clock.pass(2 * hourMs);
        expect(await dispatcher.offer([signalOf('IBM', 0)])).toMatchObject({ enqueued: 0, silenced: 1 });
        await clock.pass(4 * hourMs);
        expect(await dispatcher.offer([signalOf('IBM', 0)])).toMatchObject({ enqueued: 0, repeated: 1 });
        expect(await store.countsOf('hooks')).toEqual({ pending: 0, dead: 0, delivered: 0, dropped: 1 });
        expect(receiver.attempts).toEqual([]);
      },
    );
  });
});

describe('a dispatcher that is stopped', () => {
  it('ends what is under way, or gives it up without an attempt counted, and begins nothing more', async () => {
    const receiver = new Receiver([]);
    receiver.answer = () => 'hang';
    await withDispatcher({ endpoints: [hooks], sender: receiver }, async ({ clock, dispatcher, store }) => {
      await dispatcher.offer([signalOf('IBM', 0), signalOf('AAPL', 0)]);
      await clock.pass(1);
      const stopped = dispatcher.stop({ graceMs: 3 * secondMs });
      await clock.pass(3 * secondMs);
      await stopped;
      expect(receiver.attempts).toHaveLength(1);
      expect((await store.waitingLanes('hooks', 9)).map(({ attempts }) => attempts)).toEqual([0, 0]);
      await dispatcher.offer([signalOf('IBM', 1)]);
      await clock.pass(hourMs);
      expect(receiver.attempts).toHaveLength(1);
    });
  });

  it('has nothing under way any more when it says so, also where the store has failed', async () => {
    const receiver = new Receiver([]);
    await withDispatcher({ endpoints: [hooks], sender: receiver }, async ({ clock, dispatcher, store }) => {
      let settling = 0;
      store.settle = async () => {
        settling++;
        await new Promise<void>((resolve) => clock.after(5 * secondMs, resolve));
        settling--;
        throw new Error('no table');
      };
      await dispatcher.offer([signalOf('IBM', 0), signalOf('AAPL', 0)]);
      await clock.pass(secondMs);
      store.claim = async () => {
        throw new Error('no table');
      };
      dispatcher.wake().catch(() => undefined);
      await clock.pass(secondMs);
      expect(settling).toBe(1);
      const stopped = dispatcher.stop({ graceMs: 20 * secondMs }).then(
        () => 'stopped',
        (error: Error) => `${error.message}, ${settling} under way`,
      );
      await clock.pass(20 * secondMs);
      expect(await stopped).toBe('no table, 0 under way');
    });
  });
});

const delivered: Outcome = { kind: 'delivered', status: 200 };
const failed: Outcome = { kind: 'failed', reason: 'status 500', status: 500 };

/** The outside world: answers by a script, or as it is told, and remembers what it saw. */
class Receiver implements Sender {
  readonly attempts: Attempt[] = [];
  readonly arrived: Signal[] = [];
  mostAtOnce = 0;
  answer: (attempt: Attempt) => Outcome | 'hang' | Promise<Outcome>;
  #atOnce = 0;

  constructor(script: readonly Outcome[]) {
    const rest = [...script];
    this.answer = () => rest.shift() ?? delivered;
  }

  async send(attempt: Attempt, signal: AbortSignal): Promise<Outcome> {
    this.attempts.push(attempt);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#atOnce);
    try {
      const outcome = await this.answer(attempt);
      if (outcome === 'hang') return await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      if (outcome.kind === 'delivered') this.arrived.push(...attempt.signals);
      return outcome;
    } finally {
      this.#atOnce--;
    }
  }

  sent(): string[][] {
    return this.attempts.map(({ signals }) =>
      signals.map(({ symbol, windowStartMs }) => `${symbol}${(windowStartMs - signalOf(symbol, 0).windowStartMs) / minuteMs}`),
    );
  }

  expectOrder(): void {
    for (const ofSymbol of Map.groupBy(this.arrived, ({ symbol }) => symbol).values()) {
      const ends = ofSymbol.map(({ windowEndMs }) => windowEndMs);
      expect(ends).toEqual(ends.toSorted((a, b) => a - b));
    }
  }
}

type World = {
  readonly clock: FakeClock;
  readonly store: SqliteDeliveries;
  readonly dispatcher: Dispatcher;
  readonly events: DeliveryEvent[];
};

async function withDispatcher(
  options: Omit<ConstructorParameters<typeof Dispatcher>[0], 'store'>,
  use: (world: World) => Promise<void>,
): Promise<void> {
  const clock = new FakeClock();
  const store = new SqliteDeliveries(':memory:');
  const events: DeliveryEvent[] = [];
  const dispatcher = new Dispatcher({ ...options, store, clock, onEvent: (event) => events.push(event) });
  await use({ clock, store, dispatcher, events });
  store.close();
}
