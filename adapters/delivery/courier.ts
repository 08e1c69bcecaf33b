import type { Endpoint } from '../../core/delivery.ts';
import { batchOf, deliveryIdOf } from '../../core/delivery-lane.ts';
import { type EndpointState, endpointAfter, isDown, openFromMs } from '../../core/endpoint-state.ts';
import type { Outcome } from '../../core/outcome.ts';
import { retryWaitMs } from '../../core/retry-schedule.ts';
import { silenceEndMs } from '../../core/silence.ts';
import type { Clock } from './clock.ts';
import type { DeliveryEvent } from './events.ts';
import type { Sender } from './sender.ts';
import type { SlotKind, Slots } from './slots.ts';
import type { Claim, DeliveryStore, Settlement } from './store.ts';

/** What all couriers of a dispatcher share. */
export type Depot = {
  readonly store: Omit<DeliveryStore, 'settle'>;
  readonly settle: (settlement: Settlement) => Promise<void>;
  readonly sender: Sender;
  readonly clock: Clock;
  readonly random: () => number;
  readonly slots: Slots;
  readonly limits: Limits;
  readonly onEvent: (event: DeliveryEvent) => void;
  /** A courier has nothing more to do for now. */
  readonly onIdle: () => void;
  /** The store failed: nothing can be delivered any more. */
  readonly onFailure: (error: unknown) => void;
};

export type Limits = {
  /** Time of one attempt. */
  readonly attemptMs: number;
  /** Attempts at once in all. */
  readonly attemptsMax: number;
  /** Attempts at once to one endpoint, each of another lane. */
  readonly perEndpointMax: number;
  /** How long a lane is kept for who has claimed it; longer than an attempt. */
  readonly leaseMs: number;
};

/** Timers take no more than 24 days. */
const waitMaxMs = 24 * 3_600_000;

/**
 * Carries what waits for one endpoint, lanes side by side. It begins with one attempt and doubles with each success; with a failure it is back
 * at one. So an endpoint that hangs holds one slot, and one that is down is tried by one attempt at a time: by one that is due, or else by one
 * that does not count.
 */
export class Courier {
  readonly #endpoint: Endpoint;
  readonly #depot: Depot;
  /** What gives each attempt up. */
  readonly #underWay = new Set<() => void>();
  #state: EndpointState | undefined;
  #width = 1;
  #isLooking = false;
  #mustLookAgain = false;
  #isStopped = false;
  #cancelTimer: () => void = () => undefined;
  #nextLookMs = Number.POSITIVE_INFINITY;

  constructor(endpoint: Endpoint, depot: Depot) {
    this.#endpoint = endpoint;
    this.#depot = depot;
  }

  /** Something may be due. */
  readonly look = (): void => {
    if (this.#isLooking) this.#mustLookAgain = true;
    else if (this.#isStopped) this.#depot.slots.pass();
    else this.#startLooking();
  };

  /** Its state may have been changed by others. */
  refresh(): void {
    this.#state = undefined;
    this.look();
  }

  async state(): Promise<EndpointState> {
    if (this.#state !== undefined) return this.#state;
    const read = await this.#depot.store.endpointState(this.#endpoint.name);
    // What an attempt has brought meanwhile is newer.
    this.#state ??= read;
    return this.#state;
  }

  get isBusy(): boolean {
    return this.#isLooking || this.#underWay.size > 0 || (!this.#isStopped && this.#depot.slots.isWaiting(this.look));
  }

  /** When it will look by itself; infinite when nothing waits. */
  get nextLookMs(): number {
    return this.#nextLookMs;
  }

  /** Begins no more attempts. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer();
  }

  /** Gives up the attempts that are under way: they count as not made. */
  abort(): void {
    for (const giveUp of this.#underWay) giveUp();
  }

  #startLooking(): void {
    this.#isLooking = true;
    this.#lookUntilDone()
      .catch(this.#depot.onFailure)
      .finally(() => {
        this.#depot.slots.pass();
        this.#depot.onIdle();
      });
  }

  async #lookUntilDone(): Promise<void> {
    try {
      do {
        this.#mustLookAgain = false;
        await this.#claimAndSend();
      } while (this.#mustLookAgain && !this.#isStopped);
    } finally {
      // In the same turn as the last question: whoever calls later starts anew.
      this.#isLooking = false;
    }
  }

  async #claimAndSend(): Promise<void> {
    const { store, clock, slots, limits } = this.#depot;
    const state = await this.state();
    const nowMs = clock.now();
    const openMs = openAtMs(this.#endpoint, state, nowMs);
    if (openMs > nowMs) return this.#lookAt(openMs);
    const kind: SlotKind = state.kind === 'healthy' ? 'healthy' : 'failing';
    const held = this.#underWay.size;
    const wanted = this.#width - held;
    // The end of an attempt, or a free slot, makes it look again.
    if (wanted <= 0 || this.#isStopped) return this.#lookAt(Number.POSITIVE_INFINITY);
    const lanesMax = slots.take({ wanted, held, kind }, this.look);
    if (lanesMax === 0) return this.#lookAt(Number.POSITIVE_INFINITY);
    const { claims, nextDueAtMs = Number.POSITIVE_INFINITY } = await store.claim({
      endpoint: this.#endpoint.name,
      batch: batchOf(this.#endpoint),
      lanesMax,
      nowMs,
      leaseMs: limits.leaseMs,
      isProbe: isDown(state),
    });
    for (const claim of claims) this.#carry(claim, kind);
    slots.give(lanesMax - claims.length, kind);
    this.#lookAt(claims.length < lanesMax ? nextDueAtMs : Number.POSITIVE_INFINITY);
  }

  #lookAt(timeMs: number): void {
    this.#cancelTimer();
    this.#nextLookMs = timeMs;
    if (timeMs === Number.POSITIVE_INFINITY || this.#isStopped) return;
    const { clock } = this.#depot;
    this.#cancelTimer = clock.after(Math.min(Math.max(0, timeMs - clock.now()), waitMaxMs), this.look);
  }

  #carry(claim: Claim, kind: SlotKind): void {
    let giveUp = (): void => undefined;
    const givenUp = new Promise<'given-up'>((resolve) => {
      giveUp = () => resolve('given-up');
    });
    this.#underWay.add(giveUp);
    this.#attempt(claim, givenUp)
      .catch(this.#depot.onFailure)
      .finally(() => {
        this.#underWay.delete(giveUp);
        this.#depot.slots.give(1, kind);
        this.look();
        this.#depot.onIdle();
      });
  }

  async #attempt(claim: Claim, givenUp: Promise<'given-up'>): Promise<void> {
    const { clock, settle, random, store, onEvent } = this.#depot;
    const { name } = this.#endpoint;
    const attemptedAtMs = clock.now();
    const outcome = await this.#outcomeOf(claim, attemptedAtMs, givenUp);
    const nowMs = clock.now();
    if (outcome === 'given-up') return settle({ claim, nowMs, kind: 'released' });
    this.#width = outcome.kind === 'delivered' ? Math.min(this.#width * 2, this.#depot.limits.perEndpointMax) : 1;
    // Before it is known to be back, so that whoever is killed in between leaves nothing to wait for hours.
    if (outcome.kind === 'delivered' && isHeldBack(await this.state())) await store.release(name, nowMs);
    const [before, after] = await this.#change(outcome, { attemptedAtMs, nowMs });
    const settlement = settlementOf(claim, outcome, { nowMs, random: random() });
    await settle(settlement);
    for (const event of eventsOf(settlement)) onEvent(event);
    if (isDown(after) && !isDown(before)) onEvent({ kind: 'endpoint.down', endpoint: name, atMs: nowMs, reason: reasonOf(outcome) });
    if (after.kind === 'disabled' && before.kind !== 'disabled') {
      onEvent({ kind: 'endpoint.disabled', endpoint: name, atMs: nowMs, cause: after.cause, reason: after.reason });
    }
    if (isHeldBack(before) && after.kind === 'healthy') onEvent({ kind: 'endpoint.recovered', endpoint: name, atMs: nowMs });
  }

  /** Success after success changes nothing, and costs nothing. */
  async #change(
    outcome: Outcome,
    times: { readonly attemptedAtMs: number; readonly nowMs: number },
  ): Promise<[EndpointState, EndpointState]> {
    const { store, random } = this.#depot;
    const known = await this.state();
    if (known.kind === 'healthy' && outcome.kind === 'delivered') return [known, known];
    let before = known;
    const chance = random();
    const after = await store.changeEndpoint(this.#endpoint.name, (state) => {
      before = state;
      return endpointAfter(state, outcome, { ...times, random: chance });
    });
    this.#state = after;
    return [before, after];
  }

  async #outcomeOf({ signals }: Claim, attemptedAtMs: number, givenUp: Promise<'given-up'>): Promise<Outcome | 'given-up'> {
    const { sender, clock, limits } = this.#depot;
    const attempt = { endpoint: this.#endpoint, deliveryId: deliveryIdOf(signals), signals, attemptedAtMs };
    const sending = new AbortController();
    let cancelTimer = (): void => undefined;
    const late = new Promise<'late'>((resolve) => {
      cancelTimer = clock.after(limits.attemptMs, () => resolve('late'));
    });
    const sent = sender.send(attempt, sending.signal).catch(failureOf);
    const outcome = await Promise.race([sent, late, givenUp]);
    cancelTimer();
    // It may still be at work.
    if (typeof outcome === 'string') sending.abort();
    return outcome === 'late' ? { kind: 'failed', reason: `no answer within ${limits.attemptMs / 1_000} s` } : outcome;
  }
}

/** From when on something may be sent to the endpoint, by its state and its silence; infinite for one that waits to be resumed. */
export function openAtMs({ silence = [] }: Endpoint, state: EndpointState, nowMs: number): number {
  return Math.max(openFromMs(state), silenceEndMs(silence, nowMs) ?? nowMs);
}

/** Whether what waits does so because of the endpoint. */
function isHeldBack(state: EndpointState): boolean {
  return isDown(state) || state.kind === 'disabled';
}

function settlementOf(claim: Claim, outcome: Outcome, { nowMs, random }: { readonly nowMs: number; readonly random: number }): Settlement {
  switch (outcome.kind) {
    case 'delivered':
      return { claim, nowMs, kind: 'delivered' };
    case 'failed': {
      const attempts = claim.attempts + 1;
      const waitMs = retryWaitMs({ ...outcome, attempts, random });
      const { reason } = outcome;
      if (claim.isProbe) return { claim, nowMs, kind: 'released' };
      if (waitMs === undefined) return { claim, nowMs, kind: 'dead', attempts, reason };
      return { claim, nowMs, kind: 'failed', attempts, dueAtMs: nowMs + waitMs, reason };
    }
    case 'gone':
    case 'refused':
      // It is the endpoint's fault, and the endpoint is disabled: the delivery waits with it.
      return { claim, nowMs, kind: 'failed', attempts: claim.attempts, dueAtMs: nowMs, reason: outcome.reason };
  }
}

function eventsOf(settlement: Settlement): DeliveryEvent[] {
  const { claim, nowMs, kind } = settlement;
  const about = { endpoint: claim.endpoint, atMs: nowMs, deliveryId: deliveryIdOf(claim.signals) };
  const signals = claim.signals.length;
  switch (kind) {
    case 'delivered':
      return [{ ...about, kind: 'delivery.delivered', signals, attempts: claim.attempts + 1 }];
    case 'failed': {
      const { attempts, dueAtMs, reason } = settlement;
      return [{ ...about, kind: 'delivery.failed', attempts, dueAtMs, reason }];
    }
    case 'dead': {
      const { attempts, reason } = settlement;
      return [{ ...about, kind: 'delivery.dead', signals, attempts, reason }];
    }
    case 'released':
      return [];
  }
}

function reasonOf(outcome: Outcome): string {
  return outcome.kind === 'delivered' ? '' : outcome.reason;
}

function failureOf(error: unknown): Outcome {
  return { kind: 'failed', reason: `the sender failed: ${error instanceof Error ? error.message : String(error)}` };
}
