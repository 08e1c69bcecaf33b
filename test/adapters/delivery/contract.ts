import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { disable, requeueAll, resume } from '../../../adapters/delivery/repairs.ts';
import type { Claim, DeliveryStore } from '../../../adapters/delivery/store.ts';
import { deliveryIdOf } from '../../../core/delivery-lane.ts';
import { bySignalOrder, type Signal } from '../../../core/signal.ts';
import { signalOf } from './signals.ts';

/** A store just made, empty. `reopen` is the same as another process finds it; stores that end with theirs have none. */
export type OpenDeliveries = {
  readonly store: DeliveryStore;
  readonly reopen?: () => Promise<DeliveryStore>;
  readonly close?: () => Promise<void>;
};

const single = { signalsMax: 1, waitMs: 0 };
const byThree = { signalsMax: 3, waitMs: 10_000 };
const minuteMs = 60_000;
const request = { endpoint: 'hooks', batch: single, lanesMax: 10, leaseMs: minuteMs };

/** What every store of deliveries keeps, whatever it is made of. */
export function deliveryStoreContract(name: string, open: () => Promise<OpenDeliveries>, { numRuns = 40 } = {}): void {
  describe(`${name}, as a store of deliveries`, () => {
    const withStore = async (use: (opened: OpenDeliveries) => Promise<void>): Promise<void> => {
      const opened = await open();
      await use(opened).finally(() => opened.close?.());
    };
    const enqueue = (store: DeliveryStore, signals: readonly Signal[], { nowMs = 0, batch = single, lane = '=IBM' } = {}) =>
      store.enqueue([{ endpoint: 'hooks', lane, signals, batch }], nowMs);

    it('does what plain lists would: each signal taken once, the head of each lane given, in order, until it is settled', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(steps, { maxLength: 25 }), async (script) => {
          await withStore(async ({ store }) => {
            const model = new Model();
            for (const [nowMs, step] of script.entries()) {
              if (step.kind === 'enqueue') {
                const signals = step.numbers.map((number) => signalOf(step.symbol, number));
                expect(await enqueue(store, signals, { nowMs, lane: step.symbol })).toBe(model.enqueue(step.symbol, signals));
              } else if (step.kind === 'requeue') {
                expect(await requeueAll(store, 'hooks', { batch: single, nowMs })).toBe(model.requeue(nowMs));
              } else {
                const { claims } = await store.claim({ ...request, nowMs, lanesMax: 3 });
                expect(claims.map(headOf).toSorted()).toEqual(model.heads(nowMs).toSorted());
                await store.settle(claims.map((claim) => model.settle(claim, step.kind, nowMs)));
              }
              expect(await store.countsOf('hooks')).toEqual(model.counts());
            }
          });
        }),
        { numRuns },
      );
    });

    it('has nothing at first', async () => {
      await withStore(async ({ store }) => {
        expect(await store.endpoints()).toEqual([]);
        expect(await store.claim({ ...request, nowMs: 5 })).toEqual({ claims: [], nextDueAtMs: undefined });
        expect(await store.endpointState('hooks')).toEqual({ kind: 'healthy' });
        expect(await store.countsOf('hooks')).toEqual({ pending: 0, dead: 0, delivered: 0, dropped: 0 });
        expect([await store.waitingLanes('hooks', 9), await store.deadLetters('hooks', 9)]).toEqual([[], []]);
        expect(await store.enqueue([], 0)).toBe(0);
        await store.settle([]);
        await store.release('hooks', 0);
        await store.removeExpired(0);
      });
    });

    it('gives a lane to one only, until it is settled or its lease is over; then what the first does changes nothing', async () => {
      await withStore(async ({ store, reopen }) => {
        await enqueue(store, [signalOf('IBM', 0), signalOf('IBM', 1)]);
        const [first] = (await store.claim({ ...request, nowMs: 0 })).claims as [Claim];
        expect((await store.claim({ ...request, nowMs: minuteMs - 1 })).claims).toEqual([]);
        const [second] = (await store.claim({ ...request, nowMs: minuteMs })).claims as [Claim];
        expect(second.signals).toEqual([signalOf('IBM', 0)]);
        await store.settle([{ claim: first, nowMs: minuteMs, kind: 'delivered' }]);
        expect(await store.countsOf('hooks')).toMatchObject({ pending: 2, delivered: 0 });
        await store.settle([{ claim: second, nowMs: minuteMs, kind: 'delivered' }]);
        await store.settle([{ claim: second, nowMs: minuteMs, kind: 'delivered' }]);
        const again = (await reopen?.()) ?? store;
        expect(await again.countsOf('hooks')).toMatchObject({ pending: 1, delivered: 1 });
        expect((await again.claim({ ...request, nowMs: minuteMs })).claims.map(({ signals }) => signals)).toEqual([[signalOf('IBM', 1)]]);
      });
    });

    it('gives those first that have been due for longest, as many as asked for, and says when there is more', async () => {
      await withStore(async ({ store }) => {
        for (const [i, symbol] of ['C', 'A', 'B', 'D'].entries()) await enqueue(store, [signalOf(symbol, 0)], { nowMs: i, lane: symbol });
        const { claims, nextDueAtMs } = await store.claim({ ...request, nowMs: 3, lanesMax: 2 });
        expect([claims.map(({ lane }) => lane), nextDueAtMs]).toEqual([['C', 'A'], 2]);
        const rest = await store.claim({ ...request, nowMs: 3 });
        expect([rest.claims.map(({ lane }) => lane), rest.nextDueAtMs]).toEqual([['B', 'D'], undefined]);
        const [one] = claims as [Claim];
        await store.settle([{ claim: one, nowMs: 4, kind: 'failed', attempts: 1, dueAtMs: 500, reason: 'status 500' }]);
        expect(await store.claim({ ...request, nowMs: 4 })).toEqual({ claims: [], nextDueAtMs: 500 });
        expect((await store.waitingLanes('hooks', 9)).find(({ lane }) => lane === 'C')).toEqual({
          lane: 'C',
          signals: 1,
          attempts: 1,
          dueAtMs: 500,
          reason: 'status 500',
        });
      });
    });

    it('keeps a delivery that failed at the head, also when an earlier signal comes', async () => {
      await withStore(async ({ store, reopen }) => {
        await enqueue(store, [signalOf('IBM', 5)]);
        const [claim] = (await store.claim({ ...request, nowMs: 0 })).claims as [Claim];
        await store.settle([{ claim, nowMs: 0, kind: 'failed', attempts: 3, dueAtMs: 7, reason: 'status 500' }]);
        await enqueue(store, [signalOf('IBM', 1)], { nowMs: 1 });
        const again = (await reopen?.()) ?? store;
        expect(await again.claim({ ...request, nowMs: 6 })).toEqual({ claims: [], nextDueAtMs: 7 });
        const [head] = (await again.claim({ ...request, nowMs: 7 })).claims as [Claim];
        expect([head.attempts, head.signals, head.isProbe]).toEqual([3, [signalOf('IBM', 5)], false]);
        await again.settle([{ claim: head, nowMs: 8, kind: 'delivered' }]);
        expect((await again.claim({ ...request, nowMs: 8 })).claims).toMatchObject([{ attempts: 0, signals: [signalOf('IBM', 1)] }]);
      });
    });

    it('gives what is due next where a probe is asked for, and nothing changes when that is released', async () => {
      await withStore(async ({ store }) => {
        await enqueue(store, [signalOf('IBM', 0)]);
        await enqueue(store, [signalOf('AAPL', 0)], { lane: '=AAPL' });
        const failed = (await store.claim({ ...request, nowMs: 0 })).claims;
        await store.settle(
          failed.map((claim) => ({
            claim,
            nowMs: 0,
            kind: 'failed',
            attempts: 1,
            dueAtMs: claim.lane === '=IBM' ? 900 : 500,
            reason: 'x',
          })),
        );
        const { claims } = await store.claim({ ...request, nowMs: 1, lanesMax: 1, isProbe: true });
        expect(claims).toMatchObject([{ lane: '=AAPL', attempts: 1, isProbe: true }]);
        await store.settle(claims.map((claim) => ({ claim, nowMs: 2, kind: 'released' })));
        expect(await store.claim({ ...request, nowMs: 3 })).toEqual({ claims: [], nextDueAtMs: 500 });
        await store.release('hooks', 4);
        expect((await store.claim({ ...request, nowMs: 4 })).claims.map(({ lane, isProbe }) => [lane, isProbe]).toSorted()).toEqual([
          ['=AAPL', false],
          ['=IBM', false],
        ]);
      });
    });

    it('gathers a batch until it is full or its first has waited, and gives the same batch again', async () => {
      await withStore(async ({ store, reopen }) => {
        const options = { batch: byThree, lane: '*' };
        const ask = { ...request, batch: byThree };
        const numbers = (claims: readonly Claim[]) => claims.map(({ signals }) => signals.map(({ price }) => price - 100));
        await enqueue(store, [signalOf('IBM', 1)], options);
        await enqueue(store, [signalOf('AAPL', 2)], { ...options, nowMs: 4_000 });
        expect(await store.claim({ ...ask, nowMs: 9_999 })).toEqual({ claims: [], nextDueAtMs: 10_000 });
        const [waited] = (await store.claim({ ...ask, nowMs: 10_000 })).claims as [Claim];
        expect(numbers([waited])).toEqual([[1, 2]]);
        await enqueue(
          store,
          [0, 3, 4, 5, 6].map((number) => signalOf('IBM', number)),
          { ...options, nowMs: 10_001 },
        );
        await store.settle([{ claim: waited, nowMs: 10_002, kind: 'failed', attempts: 1, dueAtMs: 20_000, reason: 'status 500' }]);
        const again = (await reopen?.()) ?? store;
        expect(await again.claim({ ...ask, nowMs: 19_999 })).toEqual({ claims: [], nextDueAtMs: 20_000 });
        const [same] = (await again.claim({ ...ask, nowMs: 20_000 })).claims as [Claim];
        expect(deliveryIdOf(same.signals)).toBe(deliveryIdOf(waited.signals));
        await again.settle([{ claim: same, nowMs: 20_001, kind: 'delivered' }]);
        const [full] = (await again.claim({ ...ask, nowMs: 20_001 })).claims as [Claim];
        expect(numbers([full])).toEqual([[0, 3, 4]]);
        await again.settle([{ claim: full, nowMs: 20_002, kind: 'delivered' }]);
        expect(await again.claim({ ...ask, nowMs: 20_003 })).toEqual({ claims: [], nextDueAtMs: 30_002 });
      });
    });

    it('takes up to forty signals as one batch', async () => {
      await withStore(async ({ store }) => {
        const batch = { signalsMax: 40, waitMs: 0 };
        await enqueue(
          store,
          Array.from({ length: 100 }, (_, number) => signalOf('IBM', number)),
          { batch },
        );
        for (const [left, kind] of [
          [60, 'delivered'],
          [20, 'dead'],
        ] as const) {
          const { claims } = await store.claim({ ...request, batch, nowMs: 1 });
          expect(claims.map(({ signals }) => signals.length)).toEqual([40]);
          await store.settle(claims.map((claim) => ({ claim, nowMs: 1, attempts: 10, reason: 'status 500', kind })));
          expect(await store.countsOf('hooks')).toMatchObject({ pending: left });
        }
        expect(await requeueAll(store, 'hooks', { batch, nowMs: 1 })).toBe(40);
        expect(await store.countsOf('hooks')).toEqual({ pending: 60, dead: 0, delivered: 40, dropped: 0 });
      });
    });

    it('keeps dead letters with their reasons, and puts them back before what came later', async () => {
      await withStore(async ({ store, reopen }) => {
        await enqueue(store, [signalOf('IBM', 0), signalOf('IBM', 1)]);
        const [claim] = (await store.claim({ ...request, nowMs: 0 })).claims as [Claim];
        await store.settle([{ claim, nowMs: 9, kind: 'dead', attempts: 10, reason: 'status 400' }]);
        const again = (await reopen?.()) ?? store;
        const letter = { endpoint: 'hooks', lane: '=IBM', deliveryId: claim.signals[0]?.signalId, signals: claim.signals, attempts: 10 };
        expect(await again.deadLetters('hooks', 9)).toEqual([{ ...letter, reason: 'status 400', diedAtMs: 9 }]);
        expect(await enqueue(again, [signalOf('IBM', 0)])).toBe(0);
        const letters = await again.deadLetters('hooks', 9);
        expect(await again.requeue(letters, { batch: single, nowMs: 10 })).toBe(1);
        expect(await again.requeue(letters, { batch: single, nowMs: 11 })).toBe(0);
        expect(await again.countsOf('hooks')).toEqual({ pending: 2, dead: 0, delivered: 0, dropped: 0 });
        expect((await again.claim({ ...request, nowMs: 12 })).claims).toMatchObject([{ attempts: 0, signals: [signalOf('IBM', 0)] }]);
      });
    });

    it.each([
      ['was tried and waits', 'before'],
      ['fails', 'failed'],
      ['is given back', 'released'],
      ['arrives', 'delivered'],
    ] as const)('begins a lane anew with a signal that is put back before its head, also when that %s', async (_, fate) => {
      await withStore(async ({ store, reopen }) => {
        const next = async (asked: DeliveryStore, nowMs: number) => (await asked.claim({ ...request, nowMs })).claims as [Claim];
        await enqueue(store, [signalOf('IBM', 1)]);
        const [dead] = await next(store, 0);
        await store.settle([{ claim: dead, nowMs: 1, kind: 'dead', attempts: 10, reason: 'status 400' }]);
        await enqueue(store, [signalOf('IBM', 0), signalOf('IBM', 2), signalOf('IBM', 3)]);
        await store.settle([{ claim: (await next(store, 2))[0], nowMs: 2, kind: 'delivered' }]);
        const [tried] = await next(store, 3);
        const later = { claim: tried, nowMs: 4, attempts: 6, dueAtMs: 8 * minuteMs, reason: 'status 503' };
        if (fate === 'before') await store.settle([{ ...later, kind: 'failed' }]);
        expect(await requeueAll(store, 'hooks', { batch: single, nowMs: 5 })).toBe(1);
        if (fate !== 'before') {
          // Whoever has the lane keeps it.
          expect(await store.claim({ ...request, nowMs: 6 })).toEqual({ claims: [], nextDueAtMs: undefined });
          await store.settle([{ ...later, nowMs: 6, kind: fate }]);
        }
        const again = (await reopen?.()) ?? store;
        for (const number of fate === 'delivered' ? [1, 3] : [1, 2, 3]) {
          const [claim] = await next(again, 7);
          expect(claim).toMatchObject({ attempts: 0, isProbe: false, signals: [signalOf('IBM', number)] });
          await again.settle([{ claim, nowMs: 7, kind: 'delivered' }]);
        }
        expect(await again.countsOf('hooks')).toEqual({ pending: 0, dead: 0, delivered: 4, dropped: 0 });
      });
    });

    it('keeps the head with its attempts when a later signal is put back', async () => {
      await withStore(async ({ store }) => {
        await enqueue(store, [signalOf('IBM', 1)]);
        const [dead] = (await store.claim({ ...request, nowMs: 0 })).claims as [Claim];
        await store.settle([{ claim: dead, nowMs: 1, kind: 'dead', attempts: 10, reason: 'status 400' }]);
        await enqueue(store, [signalOf('IBM', 0)]);
        const [claim] = (await store.claim({ ...request, nowMs: 2 })).claims as [Claim];
        await store.settle([{ claim, nowMs: 2, kind: 'failed', attempts: 3, dueAtMs: 9, reason: 'status 503' }]);
        expect(await requeueAll(store, 'hooks', { batch: single, nowMs: 3 })).toBe(1);
        expect(await store.claim({ ...request, nowMs: 3 })).toEqual({ claims: [], nextDueAtMs: 9 });
        expect((await store.claim({ ...request, nowMs: 9 })).claims).toMatchObject([{ attempts: 3, signals: [signalOf('IBM', 0)] }]);
      });
    });

    it('sends a batch that is put back at once, and what has failed after it with others', async () => {
      await withStore(async ({ store }) => {
        const ask = { ...request, batch: byThree };
        const options = { batch: byThree, lane: '*' };
        const numbers = async (nowMs: number) =>
          (await store.claim({ ...ask, nowMs })).claims.map(({ signals }) => signals.map(({ price }) => price - 100));
        await enqueue(store, [signalOf('IBM', 1), signalOf('IBM', 2)], options);
        const { claims } = await store.claim({ ...ask, nowMs: 10_000 });
        await store.settle(claims.map((claim) => ({ claim, nowMs: 10_000, kind: 'dead', attempts: 10, reason: 'status 400' })));
        await enqueue(store, [signalOf('IBM', 3), signalOf('IBM', 4)], { ...options, nowMs: 10_000 });
        const later = (await store.claim({ ...ask, nowMs: 20_000 })).claims;
        expect(await requeueAll(store, 'hooks', { batch: byThree, nowMs: 20_001 })).toBe(2);
        await store.settle(later.map((claim) => ({ claim, nowMs: 20_002, kind: 'failed', attempts: 1, dueAtMs: 99_000, reason: 'x' })));
        expect(await numbers(20_002)).toEqual([[1, 2, 3]]);
      });
    });

    it.each([
      ['added', { lanes: ['=AAPL', '=IBM'], batch: byThree }, { lanes: ['*'] }],
      ['removed', { lanes: ['*'], batch: single }, { lanes: ['=AAPL', '=IBM'] }],
    ])('gives what waits from before a batch was %s, and nothing else until that is settled', async (_, before, after) => {
      await withStore(async ({ store, reopen }) => {
        for (const [i, lane] of before.lanes.entries()) await enqueue(store, [signalOf(`A${i}`, 0)], { lane });
        // Due sooner, and nonetheless later.
        for (const [i, lane] of after.lanes.entries()) await enqueue(store, [signalOf(`A${i}`, 1)], { lane, nowMs: -minuteMs });
        const ask = { ...request, batch: before.batch };
        const { claims, nextDueAtMs } = await store.claim({ ...ask, nowMs: 0 });
        expect([claims.map(({ lane }) => lane).toSorted(), nextDueAtMs]).toEqual([before.lanes, undefined]);
        expect(await store.claim({ ...ask, nowMs: 0 })).toEqual({ claims: [], nextDueAtMs: undefined });
        const [first, ...others] = claims as [Claim];
        await store.settle(others.map((claim) => ({ claim, nowMs: 1, kind: 'delivered' })));
        await store.settle([{ claim: first, nowMs: 1, kind: 'failed', attempts: 1, dueAtMs: 500, reason: 'status 500' }]);
        const again = (await reopen?.()) ?? store;
        expect(await again.claim({ ...ask, nowMs: 1 })).toEqual({ claims: [], nextDueAtMs: 500 });
        const [rest] = (await again.claim({ ...ask, nowMs: 500 })).claims as [Claim];
        await again.settle([{ claim: rest, nowMs: 500, kind: 'delivered' }]);
        expect((await again.claim({ ...ask, nowMs: 500 })).claims.map(({ lane }) => lane).toSorted()).toEqual(after.lanes);
      });
    });

    it('remembers what was dropped', async () => {
      await withStore(async ({ store }) => {
        expect(await store.drop('hooks', [signalOf('IBM', 0), signalOf('IBM', 1)], 0)).toBe(2);
        expect(await store.drop('hooks', [signalOf('IBM', 1)], 0)).toBe(0);
        expect(await enqueue(store, [signalOf('IBM', 0), signalOf('IBM', 2)])).toBe(1);
        expect(await store.countsOf('hooks')).toEqual({ pending: 1, dead: 0, delivered: 0, dropped: 2 });
      });
    });

    it('changes an endpoint for all who do it at once, and remembers it', async () => {
      await withStore(async ({ store, reopen }) => {
        await Promise.all(
          Array.from({ length: 5 }, () =>
            store.changeEndpoint('hooks', (state) => ({
              kind: 'failing',
              failures: (state.kind === 'failing' ? state.failures : 0) + 1,
              sinceMs: 1,
              notBeforeMs: 2,
              reason: 'status 500',
            })),
          ),
        );
        expect(await store.endpointState('hooks')).toMatchObject({ kind: 'failing', failures: 5 });
        await disable(store, 'hooks', 77);
        await store.changeEndpoint('alerts', () => ({ kind: 'disabled', cause: 'refused', reason: 'no secret', sinceMs: 1, retryAtMs: 2 }));
        await disable(store, 'alerts', 77);
        const again = (await reopen?.()) ?? store;
        expect(await again.endpointState('hooks')).toMatchObject({ kind: 'disabled', cause: 'command', sinceMs: 77 });
        // It would be tried again by itself.
        expect(await again.endpointState('alerts')).toMatchObject({ kind: 'disabled', cause: 'command', sinceMs: 77 });
        expect(await again.endpoints()).toEqual(['alerts', 'hooks']);
        await resume(again, 'hooks', 78);
        expect(await again.endpointState('hooks')).toEqual({ kind: 'healthy' });
      });
    });

    it('keeps endpoints apart, and lanes of any name and signals of any text', async () => {
      await withStore(async ({ store }) => {
        const odd = signalOf('“ž”', 0, { reasons: ['a\u0000b', '😀', '"\\', ''], confidence: 0.1 + 0.2, signalId: '1_s_~E2~80~9C_1m_0' });
        await store.enqueue([{ endpoint: 'hooks', lane: '=a#b\u0000|“ž”', signals: [odd], batch: single }], 0);
        await store.enqueue([{ endpoint: 'hooks-2', lane: '=a#b\u0000|“ž”', signals: [odd], batch: single }], 0);
        const [claim] = (await store.claim({ ...request, nowMs: 0 })).claims as [Claim];
        expect([claim.lane, claim.signals]).toEqual(['=a#b\u0000|“ž”', [odd]]);
        await store.settle([{ claim, nowMs: 0, kind: 'delivered' }]);
        expect(await store.countsOf('hooks')).toMatchObject({ pending: 0, delivered: 1 });
        expect(await store.countsOf('hooks-2')).toMatchObject({ pending: 1, delivered: 0 });
        expect(await store.endpoints()).toEqual(['hooks', 'hooks-2']);
      });
    });
  });
}

type Step =
  | { readonly kind: 'enqueue'; readonly symbol: string; readonly numbers: number[] }
  | { readonly kind: 'requeue' }
  | { readonly kind: 'delivered' | 'failed' | 'dead' | 'released' };

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('enqueue' as const),
    symbol: fc.constantFrom('A', 'B', 'C'),
    numbers: fc.uniqueArray(fc.nat(6), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('requeue' as const) }),
  fc.record({ kind: fc.constantFrom('delivered' as const, 'failed' as const, 'dead' as const, 'released' as const) }),
);

type ModelLane = { waiting: Signal[]; dead: Signal[]; head: Signal | undefined; attempts: number; dueAtMs: number };

/** The contract once more, as plain lists; each step is a millisecond. */
class Model {
  readonly #known = new Map<string, 'pending' | 'delivered' | 'dead'>();
  readonly #lanes = new Map<string, ModelLane>();

  enqueue(lane: string, signals: readonly Signal[]): number {
    const added = signals.filter(({ signalId }) => !this.#known.has(signalId));
    for (const { signalId } of added) this.#known.set(signalId, 'pending');
    const state = this.#lanes.get(lane) ?? { waiting: [], dead: [], head: undefined, attempts: 0, dueAtMs: 0 };
    this.#lanes.set(lane, { ...state, waiting: [...state.waiting, ...added].toSorted(bySignalOrder) });
    return added.length;
  }

  heads(nowMs: number): string[] {
    const due = [...this.#lanes.values()].filter(({ waiting, dueAtMs }) => waiting.length > 0 && dueAtMs <= nowMs);
    return due.map(({ head, waiting, attempts }) => `${(head ?? (waiting[0] as Signal)).signalId} ${attempts}`);
  }

  settle(claim: Claim, kind: Exclude<Step['kind'], 'enqueue' | 'requeue'>, nowMs: number) {
    const state = this.#lanes.get(claim.lane) as ModelLane;
    const [signal] = claim.signals as [Signal];
    const attempts = claim.attempts + 1;
    const dueAtMs = nowMs + 3;
    if (kind === 'failed') this.#lanes.set(claim.lane, { ...state, head: signal, attempts, dueAtMs });
    if (kind === 'delivered' || kind === 'dead') {
      this.#known.set(signal.signalId, kind);
      const waiting = state.waiting.filter(({ signalId }) => signalId !== signal.signalId);
      const dead = kind === 'dead' ? [...state.dead, signal] : state.dead;
      this.#lanes.set(claim.lane, { waiting, dead, head: undefined, attempts: 0, dueAtMs: nowMs });
    }
    return { claim, nowMs, kind, attempts, dueAtMs, reason: 'status 500' };
  }

  requeue(nowMs: number): number {
    let count = 0;
    for (const [lane, state] of this.#lanes) {
      const { dead, head } = state;
      const waiting = [...state.waiting, ...dead].toSorted(bySignalOrder);
      const isHeadFirst = dead.length === 0 || (head !== undefined && dead.every((signal) => bySignalOrder(head, signal) < 0));
      this.#lanes.set(lane, { ...(isHeadFirst ? state : { head: undefined, attempts: 0, dueAtMs: nowMs }), waiting, dead: [] });
      for (const { signalId } of dead) this.#known.set(signalId, 'pending');
      count += dead.length;
    }
    return count;
  }

  counts() {
    const fates = [...this.#known.values()];
    const count = (wanted: string) => fates.filter((fate) => fate === wanted).length;
    return { pending: count('pending'), dead: count('dead'), delivered: count('delivered'), dropped: 0 };
  }
}

function headOf({ signals, attempts }: Claim): string {
  return `${signals[0]?.signalId} ${attempts}`;
}
