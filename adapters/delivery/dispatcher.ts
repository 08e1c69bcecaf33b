import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Endpoint } from '../../core/delivery.ts';
import type { Signal } from '../../core/signal.ts';
import { type Clock, systemClock } from './clock.ts';
import { Courier, type Limits } from './courier.ts';
import type { DeliveryEvent } from './events.ts';
import type { Sender } from './sender.ts';
import { Slots } from './slots.ts';
import type { DeliveryStore, Settlement } from './store.ts';
import { type Offered, takeOn } from './take-on.ts';

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
    const { offered, wanting } = await takeOn(signals, {
      endpoints: this.#endpoints,
      store: this.#store,
      stateOf: (endpoint) => this.#courierOf(endpoint).state(),
      nowMs: this.#clock.now(),
    });
    for (const endpoint of wanting) this.#courierOf(endpoint).look();
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
    const tell = () => this.#tellWaiting();
    signal?.addEventListener('abort', tell, { once: true });
    await this.#until(() => signal?.aborted === true || this.#failure !== undefined || this.#isQuiet(withinMs));
    signal?.removeEventListener('abort', tell);
    this.#rethrow();
  }

  /**
   * Begins no more attempts, and gives those under way some time to end. What is then cut off will be sent again. When it answers or throws,
   * nothing goes on.
   * @throws what the store throws
   */
  async stop({ graceMs }: { readonly graceMs: number }): Promise<void> {
    for (const courier of this.#couriers.values()) courier.stop();
    const cancelTimer = this.#clock.after(graceMs, () => {
      for (const courier of this.#couriers.values()) courier.abort();
    });
    await this.#until(() => this.#isIdle());
    cancelTimer();
    this.#rethrow();
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
    }
  }

  #tellWaiting(): void {
    for (const tell of this.#waiting) tell();
    this.#waiting.clear();
  }

  #isQuiet(withinMs: number): boolean {
    const untilMs = this.#clock.now() + withinMs;
    return this.#isIdle() && [...this.#couriers.values()].every(({ nextLookMs }) => nextLookMs > untilMs);
  }

  #isIdle(): boolean {
    return [...this.#couriers.values()].every(({ isBusy }) => !isBusy);
  }

  #courierOf(endpoint: string): Courier {
    return this.#couriers.get(endpoint) as Courier;
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
