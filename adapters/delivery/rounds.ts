import type { Endpoint } from '../../core/delivery.ts';
import { batchOf } from '../../core/delivery-lane.ts';
import { isDown } from '../../core/endpoint-state.ts';
import { inParallel } from '../in-parallel.ts';
import type { Clock } from './clock.ts';
import { openAtMs } from './courier.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { DeliveryStore } from './store.ts';

/** Who delivers to an endpoint: one at a time, over all processes. What is read is as of now. */
export interface RoundLeases {
  /**
   * @param from a lease that this one takes over
   * @returns the lease that has the endpoint until then, unless it ends before; undefined while another has it
   */
  take(endpoint: string, times: { readonly nowMs: number; readonly untilMs: number; readonly from?: string }): Promise<string | undefined>;
  /** Of a lease that has passed to somebody else, nothing changes. */
  end(endpoint: string, lease: string): Promise<void>;
  isTaken(endpoint: string, nowMs: number): Promise<boolean>;
}

/** A round to be run: the endpoint, and the lease that it has for this. */
export type RoundCall = { readonly endpoint: string; readonly lease: string };

export type RoundsOptions = {
  readonly endpoints: readonly Endpoint[];
  readonly store: Pick<DeliveryStore, 'claim' | 'endpointState'>;
  readonly leases: RoundLeases;
  /** For one round: nothing of it may go on when Lambda freezes the process. */
  readonly makeDispatcher: (endpoint: Endpoint) => Pick<Dispatcher, 'wake' | 'untilQuiet' | 'stop'>;
  /** Begins a round in another process, and does not wait for it. */
  readonly call: (round: RoundCall) => Promise<void>;
  /** Is told of calls that failed: what waits for them is found by the next sweep. */
  readonly onCallFailed: (endpoint: string, error: unknown) => void;
  readonly clock: Clock;
};

/** An attempt at its longest, and what is written after it. */
const lastAttemptMs = 18_000;
/** The first retry comes after 5 s, sooner than the next sweep. */
const quietMs = 10_000;
/** For what others have taken on, and for what a person or the receiver has said of the endpoint. */
const lookEveryMs = 500;
/** What has been called begins sooner, or else others may call. */
const calledMs = 10_000;
const parallelMax = 16;

/**
 * Rounds of delivery: each sends to one endpoint until nothing is due, one at a time, in a process of its own. So endpoints do not wait for
 * one another, and what holds for a dispatcher holds for all processes together: so many requests at once, one while the endpoint is down.
 *
 *     who takes on:  enqueue ──▶ is the lease taken? ─ no ─▶ is something due? ─ yes ─▶ take the lease, call a round
 *     the round:     take it over ─▶ look … the last look ─▶ end it ─▶ is something due? ─ yes ─▶ take the lease, call a round
 *
 * No call is missing: who finds the lease taken has enqueued before it ended, and the round looks after that. Nor is one where nothing is due:
 * then others have taken it, or the endpoint is closed, and a round that opens it looks again. A call that fails, or a round that dies with its
 * lease, leaves what is durable to the sweep.
 */
export class Rounds {
  readonly #options: RoundsOptions;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** Calls a round to each of these endpoints for which something is due and no round is under way. To be asked after what is due was enqueued. */
  async callWhereDue(endpoints: readonly string[]): Promise<void> {
    const named = this.#options.endpoints.filter(({ name }) => endpoints.includes(name));
    await this.#callEach(named, 'due');
  }

  /** Does so for all, and for endpoints that are down and may be tried again. */
  async sweep(): Promise<void> {
    await this.#callEach(this.#options.endpoints, 'due-or-down');
  }

  /**
   * Delivers to the endpoint, for as long as something is due or this process lives, and calls the next round where something is due then. Does
   * nothing while another round is under way, as for a call that has come twice.
   * @param untilMs when this process ends, and with it at last the lease
   * @throws what the store throws
   */
  async run({ endpoint: name, lease: from }: RoundCall, { untilMs }: { readonly untilMs: number }): Promise<void> {
    const { endpoints, leases, clock } = this.#options;
    const endpoint = endpoints.find((each) => each.name === name);
    if (endpoint === undefined) return;
    const lease = await leases.take(name, { nowMs: clock.now(), untilMs, from });
    if (lease === undefined) return;
    try {
      await this.#deliver(endpoint, untilMs - lastAttemptMs);
    } finally {
      await leases.end(name, lease);
    }
    await this.callWhereDue([name]);
  }

  async #deliver(endpoint: Endpoint, endMs: number): Promise<void> {
    const { makeDispatcher, clock } = this.#options;
    const dispatcher = makeDispatcher(endpoint);
    const timeIsOver = new AbortController();
    const cancelEnd = clock.after(Math.max(0, endMs - clock.now()), () => timeIsOver.abort());
    const stopLooking = this.#lookNowAndThen(dispatcher);
    try {
      await dispatcher.wake();
      await dispatcher.untilQuiet({ withinMs: quietMs, signal: timeIsOver.signal });
    } finally {
      stopLooking();
      cancelEnd();
      await dispatcher.stop({ graceMs: lastAttemptMs });
    }
  }

  /** @returns what ends it */
  #lookNowAndThen(dispatcher: Pick<Dispatcher, 'wake'>): () => void {
    let cancel = (): void => undefined;
    const lookLater = (): void => {
      cancel = this.#options.clock.after(lookEveryMs, () => {
        // It fails where the dispatcher has failed, which says so itself.
        dispatcher.wake().catch(() => undefined);
        lookLater();
      });
    };
    lookLater();
    return () => cancel();
  }

  async #callEach(endpoints: readonly Endpoint[], where: 'due' | 'due-or-down'): Promise<void> {
    await inParallel(endpoints, parallelMax, async (endpoint) => {
      if (await this.#needsRound(endpoint, where)) await this.#call(endpoint.name);
    });
  }

  /** Of those who call at once, one does. */
  async #call(endpoint: string): Promise<void> {
    const { leases, call, onCallFailed, clock } = this.#options;
    const nowMs = clock.now();
    const lease = await leases.take(endpoint, { nowMs, untilMs: nowMs + calledMs });
    if (lease === undefined) return;
    try {
      await call({ endpoint, lease });
    } catch (error) {
      onCallFailed(endpoint, error);
      await leases.end(endpoint, lease);
    }
  }

  async #needsRound(endpoint: Endpoint, where: 'due' | 'due-or-down'): Promise<boolean> {
    const { store, leases, clock } = this.#options;
    const { name } = endpoint;
    const nowMs = clock.now();
    const soonMs = nowMs + quietMs;
    if (await leases.isTaken(name, nowMs)) return false;
    const state = await store.endpointState(name);
    if (openAtMs(endpoint, state, nowMs) > soonMs) return false;
    // Claims nothing, and says when there is something to claim.
    const { nextDueAtMs } = await store.claim({ endpoint: name, batch: batchOf(endpoint), lanesMax: 0, nowMs, leaseMs: 0 });
    if (nextDueAtMs === undefined) return false;
    return nextDueAtMs <= soonMs || (where === 'due-or-down' && isDown(state));
  }
}
