import type { Endpoint } from '../../core/delivery.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { Signal } from '../../core/signal.ts';

export type { Outcome };

/** One try to deliver. */
export type Attempt = {
  readonly endpoint: Endpoint;
  /** The same over all attempts: what a receiver tells repeats by. Of a single signal it is the `signalId`. */
  readonly deliveryId: string;
  /** At least one; more only where the endpoint has a `batch`. Oldest first. */
  readonly signals: readonly Signal[];
  readonly attemptedAtMs: number;
};

/** Speaks to the outside. */
export interface Sender {
  /** Makes one attempt, and ends it when `signal` is aborted. What went wrong out there is an outcome and no exception. */
  send(attempt: Attempt, signal: AbortSignal): Promise<Outcome>;
}
