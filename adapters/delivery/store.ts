import type { Batch } from '../../core/delivery.ts';
import type { EndpointState } from '../../core/endpoint-state.ts';
import type { Signal } from '../../core/signal.ts';

/** Signals for one lane of an endpoint. */
export type NewDeliveries = {
  readonly endpoint: string;
  readonly lane: string;
  readonly signals: readonly Signal[];
  readonly batch: Batch;
};

/** The delivery at the head of a lane, for one attempt. Nobody else gets the lane until it is settled or its lease is over. */
export type Claim = {
  readonly endpoint: string;
  readonly lane: string;
  /** Tells this claim from later ones of the same lane. */
  readonly claimId: string;
  readonly batch: Batch;
  /** The same at every attempt, in order. */
  readonly signals: readonly Signal[];
  /** Attempts that have failed so far, by the schedule. */
  readonly attempts: number;
  /** It is due later, and was given because it was asked for a probe. */
  readonly isProbe: boolean;
};

export type ClaimRequest = {
  readonly endpoint: string;
  readonly batch: Batch;
  readonly lanesMax: number;
  readonly nowMs: number;
  readonly leaseMs: number;
  /** Where nothing is due, also what waits for its next attempt: that which is due next. @default false */
  readonly isProbe?: boolean;
};

export type Claims = {
  /** Those first that have been due for longest. */
  readonly claims: readonly Claim[];
  /** When there may be more to claim than was given; undefined when nothing waits but what is claimed. */
  readonly nextDueAtMs: number | undefined;
};

/** What became of a claim. */
export type Settlement = { readonly claim: Claim; readonly nowMs: number } & (
  | { readonly kind: 'delivered' }
  /** It stays at the head of its lane, unless an earlier signal was put back meanwhile. */
  | { readonly kind: 'failed'; readonly attempts: number; readonly dueAtMs: number; readonly reason: string }
  /** It was given up: the lane goes on with the next. */
  | { readonly kind: 'dead'; readonly attempts: number; readonly reason: string }
  /** As if it had not been claimed. */
  | { readonly kind: 'released' }
);

export type DeadLetter = {
  readonly endpoint: string;
  readonly deliveryId: string;
  readonly lane: string;
  readonly signals: readonly Signal[];
  readonly attempts: number;
  readonly reason: string;
  readonly diedAtMs: number;
};

/** A lane with something in it. */
export type WaitingLane = {
  readonly lane: string;
  readonly signals: number;
  /** Of the delivery at its head. */
  readonly attempts: number;
  readonly dueAtMs: number;
  /** Why the last attempt failed. */
  readonly reason: string | undefined;
};

/** Signals by what became of them. All but `pending` are forgotten after a while. */
export type DeliveryCounts = { readonly pending: number; readonly dead: number; readonly delivered: number; readonly dropped: number };

/** How long it is remembered that a signal was delivered or dropped, so that it is not delivered when it comes again: as long as SQS keeps one. */
export const rememberedMs = 14 * 24 * 3_600_000;
/** How long a dead letter can be sent again. */
export const deadLettersKeptMs = 90 * 24 * 3_600_000;

/**
 * What is to be delivered and what became of it. Within a lane signals go in the order of their windows, one delivery at a time. The same
 * suite (`test/adapters/delivery/contract.ts`) runs against every implementation.
 */
export interface DeliveryStore {
  /** Durable when it answers. A signal that the endpoint has had before, whatever became of it, is passed over. @returns how many were new */
  enqueue(deliveries: readonly NewDeliveries[], nowMs: number): Promise<number>;
  /** Remembers signals as not to be delivered. @returns how many were new */
  drop(endpoint: string, signals: readonly Signal[], nowMs: number): Promise<number>;
  /** Where lanes wait from before the endpoint's `batch` was added or removed, only those are given. */
  claim(request: ClaimRequest): Promise<Claims>;
  /** Claims whose lease has passed to somebody else change nothing. */
  settle(settlements: readonly Settlement[]): Promise<void>;
  /** Makes all that waits for another attempt due now. */
  release(endpoint: string, nowMs: number): Promise<void>;

  endpointState(endpoint: string): Promise<EndpointState>;
  /** Changes what is there now, also when others change it at the same time; `change` may be called more than once. @returns what is there then */
  changeEndpoint(endpoint: string, change: (state: EndpointState) => EndpointState): Promise<EndpointState>;

  /** Every endpoint that anything is known of. */
  endpoints(): Promise<string[]>;
  countsOf(endpoint: string): Promise<DeliveryCounts>;
  /** Those first that are due first. */
  waitingLanes(endpoint: string, limit: number): Promise<WaitingLane[]>;
  /** The oldest first. */
  deadLetters(endpoint: string, limit: number): Promise<DeadLetter[]>;
  /**
   * Puts dead letters back in their places. A lane in which one comes before the head begins anew with it, now or when its claim is settled.
   * One that is none any more changes nothing. @returns how many signals were put back
   */
  requeue(letters: readonly DeadLetter[], options: { readonly batch: Batch; readonly nowMs: number }): Promise<number>;
  /** Forgets what has been kept for long enough. */
  removeExpired(nowMs: number): Promise<void>;
}
