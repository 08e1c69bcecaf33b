import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Endpoint } from '../../core/delivery.ts';
import { choiceOf } from '../../core/delivery-choice.ts';
import { batchOf, laneOf } from '../../core/delivery-lane.ts';
import type { Signal } from '../../core/signal.ts';
import { inParallel } from '../in-parallel.ts';
import { type Clock, systemClock } from './clock.ts';
import { Courier, type Limits } from './courier.ts';
import type { DeliveryEvent } from './events.ts';
import type { Sender } from './sender.ts';
import { Slots } from './slots.ts';
import { type DeliveryStore, type NewDeliveries, rememberedMs, type Settlement } from './store.ts';

export type DispatcherOptions = {
  readonly endpoints: readonly Endpoint[];
  readonly store: DeliveryStore;
  readonly sender: Sender;
  readonly onEvent?: (event: DeliveryEvent) => void;
  /** @default 15 s an attempt, 500 at once in all, 8 to one endpoint, lanes leased for 45 s */
  readonly limits?: Partial<Limits>;
  /** @default the system's */
  readonly clock?: Clock;
  /** From 0 to 1. @default Math.random */
  readonly random?: () => number;
};

/** Of signals offered, once for each endpoint. */
export type Offered = {
  /** Will be delivered. */
  enqueued: number;
  /** The endpoint had them before. */
  repeated: number;
  /** Not for the endpoint, by its choices. */
  filtered: number;
  /** Came in silent hours in which they are dropped. */
  silenced: number;
  /** The endpoint has been disabled for so long that nothing more is kept for it. */
  abandoned: number;
};

const limitsByDefault: Limits = { attemptMs: 15_000, attemptsMax: 500, perEndpointMax: 8, leaseMs: 45_000 };
const expiryEveryMs = 3_600_000;

/**
 * Delivers signals: at least once, in order within each lane, endpoints side by side. All that must not be lost is in the store; a dispatcher
 * that comes after one that was killed goes on from there.
 */
export class Dispatcher {
  readonly #store: DeliveryStore;
  readonly #clock: Clock;
  readonly #endpoints: readonly Endpoint[];
  readonly #couriers: ReadonlyMap<string, Courier>;
  #settlements: Settlement[] = [];
  #settled: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #expiredAtMs = Number.NEGATIVE_INFINITY;
  readonly #waiting = new Set<() => void>();

  constructor({ endpoints, store, sender, onEvent = () => {}, limits = {}, clock = systemClock, random = Math.random }: DispatcherOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#endpoints = endpoints;
    const allLimits = { ...limitsByDefault, ...limits };
    const depot = {
      store,
      sender,
      clock,
      random,
      onEvent,
      limits: allLimits,
      slots: new Slots(allLimits.attemptsMax),
      settle: (settlement: Settlement) => this.#settle(settlement),
      onIdle: () => this.#tellWaiting(),
      onFailure: (error: unknown) => this.#fail(error),
    };
    this.#couriers = new Map(endpoints.map((endpoint) => [endpoint.name, new Courier(endpoint, depot)]));
  }

  /** Takes signals on: when it answers, they are durable and on their way. Offering them again is harmless. @throws what the store throws */
  async offer(signals: readonly Signal[]): Promise<Offered> {
    this.#rethrow();
    const nowMs = this.#clock.now();
    const offered: Offered = { enqueued: 0, repeated: 0, filtered: 0, silenced: 0, abandoned: 0 };
    const deliveries: NewDeliveries[] = [];
    const abandoned = await inParallel(this.#endpoints, 16, (endpoint) => this.#isAbandoned(endpoint, nowMs));
    for (const [i, endpoint] of this.#endpoints.entries()) {
      const { wanted = [], filtered = [], silenced = [] } = Object.groupBy(signals, (signal) => choiceOf(endpoint, signal, nowMs));
      offered.filtered += filtered.length;
      offered.silenced += silenced.length === 0 ? 0 : await this.#store.drop(endpoint.name, silenced, nowMs);
      if (wanted.length === 0) continue;
      if (abandoned[i]) offered.abandoned += await this.#store.drop(endpoint.name, wanted, nowMs);
      else deliveries.push(...deliveriesOf(endpoint, wanted));
    }
    if (deliveries.length > 0) offered.enqueued = await this.#store.enqueue(deliveries, nowMs);
    for (const name of new Set(deliveries.map(({ endpoint }) => endpoint))) this.#couriers.get(name)?.look();
    const { enqueued, filtered, silenced, abandoned: dropped } = offered;
    offered.repeated = signals.length * this.#endpoints.length - enqueued - filtered - silenced - dropped;
    return offered;
  }

  /** Looks at all endpoints: what waits from before goes on, and what others have changed in the store is seen. */
  async wake(): Promise<void> {
    this.#rethrow();
    const nowMs = this.#clock.now();
    if (nowMs - this.#expiredAtMs >= expiryEveryMs) {
      this.#expiredAtMs = nowMs;
      await this.#store.removeExpired(nowMs);
    }
    for (const courier of this.#couriers.values()) courier.refresh();
  }

  /**
   * Answers when nothing is under way and nothing will be due within `withinMs`, or when `signal` is aborted.
   * @throws what the store throws
   */
  async untilQuiet({ withinMs = 0, signal }: { readonly withinMs?: number; readonly signal?: AbortSignal } = {}): Promise<void> {
    const aborted = new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }));
    while (signal?.aborted !== true && !this.#isQuiet(withinMs)) {
      const idle = new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
      await Promise.race([idle, aborted]);
    }
    this.#rethrow();
  }

  /** Begins no more attempts, and gives those under way some time to end. What is then cut off will be sent again. */
  async stop({ graceMs }: { readonly graceMs: number }): Promise<void> {
    for (const courier of this.#couriers.values()) courier.stop();
    const cancelTimer = this.#clock.after(graceMs, () => {
      for (const courier of this.#couriers.values()) courier.abort();
    });
    await this.untilQuiet({ withinMs: Number.NEGATIVE_INFINITY });
    cancelTimer();
  }

  #tellWaiting(): void {
    for (const tell of this.#waiting) tell();
    this.#waiting.clear();
  }

  #isQuiet(withinMs: number): boolean {
    if (this.#failure !== undefined) return true;
    const untilMs = this.#clock.now() + withinMs;
    for (const courier of this.#couriers.values()) {
      if (courier.isBusy || courier.nextLookMs <= untilMs) return false;
    }
    return true;
  }

  async #isAbandoned({ name }: Endpoint, nowMs: number): Promise<boolean> {
    const state = await this.#couriers.get(name)?.state();
    return state?.kind === 'disabled' && nowMs - state.sinceMs >= rememberedMs;
  }

  /** What is settled in one turn is settled together. */
  #settle(settlement: Settlement): Promise<void> {
    this.#settlements.push(settlement);
    this.#settled ??= nextTurn().then(() => {
      const settlements = this.#settlements;
      this.#settlements = [];
      this.#settled = undefined;
      return this.#store.settle(settlements);
    });
    return this.#settled;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    for (const courier of this.#couriers.values()) {
      courier.stop();
      courier.abort();
    }
    this.#tellWaiting();
  }

  #rethrow(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

function deliveriesOf(endpoint: Endpoint, signals: readonly Signal[]): NewDeliveries[] {
  const lanes = Map.groupBy(signals, (signal) => laneOf(endpoint, signal));
  return [...lanes].map(([lane, ofLane]) => ({ endpoint: endpoint.name, lane, signals: ofLane, batch: batchOf(endpoint) }));
}
