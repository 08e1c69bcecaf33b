import type { Outcome } from './outcome.ts';
import { retryAfterOf } from './retry-schedule.ts';
import type { EpochMs } from './trade.ts';

/** What is remembered of an endpoint as a whole. */
export type EndpointState =
  | { readonly kind: 'healthy' }
  | {
      readonly kind: 'failing';
      /** In a row, without a success between them. */
      readonly failures: number;
      readonly sinceMs: EpochMs;
      /** Nothing is sent to it sooner. */
      readonly notBeforeMs: EpochMs;
      readonly reason: string;
    }
  /** Nothing is sent until it is resumed; what comes waits. What was refused here is tried now and then: a secret may have been set. */
  | {
      readonly kind: 'disabled';
      readonly cause: DisabledCause;
      readonly reason: string;
      readonly sinceMs: EpochMs;
      readonly retryAtMs?: EpochMs;
    };

/** `gone`: the receiver said so (410); `refused`: it cannot work as it is set up; `failing`: for days; `command`: a person. */
export type DisabledCause = 'gone' | 'refused' | 'failing' | 'command';

export const healthy: EndpointState = { kind: 'healthy' };

/** Failures in a row after which the endpoint counts as down: from then on single attempts find out when it is back, and all the rest waits. */
export const downAfterFailures = 5;
/** Longer than all attempts of one delivery. */
const disabledAfterMs = 5 * 24 * 3_600_000;

/** Between attempts while it is down: 5 s, doubling to 5 minutes. Chance adds up to a fifth, so that endpoints on one host do not come together. */
const probeWaits = { baseMs: 5_000, maxMs: 300_000, jitter: 0.2 };

/** Nobody outside is asked by an attempt that is refused. */
const refusedRetryMs = 10 * 60_000;

/** The state after one attempt. A disabled endpoint stays so, whatever attempts that were under way bring. */
export function endpointAfter(
  state: EndpointState,
  outcome: Outcome,
  { nowMs, random }: { readonly nowMs: EpochMs; readonly random: number },
): EndpointState {
  if (state.kind === 'disabled' && state.cause !== 'refused') return state;
  switch (outcome.kind) {
    case 'delivered':
      return healthy;
    case 'gone':
      return { kind: 'disabled', cause: 'gone', reason: outcome.reason, sinceMs: nowMs };
    case 'refused': {
      const sinceMs = state.kind === 'disabled' ? state.sinceMs : nowMs;
      return { kind: 'disabled', cause: 'refused', reason: outcome.reason, sinceMs, retryAtMs: nowMs + refusedRetryMs };
    }
    case 'failed': {
      const { failures: before, sinceMs } = state.kind === 'failing' ? state : { failures: 0, sinceMs: nowMs };
      const { reason } = outcome;
      if (nowMs - sinceMs >= disabledAfterMs) return { kind: 'disabled', cause: 'failing', reason, sinceMs: nowMs };
      const failures = before + 1;
      const notBeforeMs = nowMs + Math.max(retryAfterOf(outcome), probeWaitMs(failures, random));
      return { kind: 'failing', failures, sinceMs, notBeforeMs, reason };
    }
  }
}

/** Whether it has failed so often in a row that the endpoint must be the reason, and not one delivery. */
export function isDown(state: EndpointState): boolean {
  return state.kind === 'failing' && state.failures >= downAfterFailures;
}

/** From when on something may be sent to it; infinite for one that waits to be resumed. */
export function openFromMs(state: EndpointState): EpochMs {
  if (state.kind === 'healthy') return Number.NEGATIVE_INFINITY;
  return state.kind === 'failing' ? state.notBeforeMs : (state.retryAtMs ?? Number.POSITIVE_INFINITY);
}

function probeWaitMs(failures: number, random: number): number {
  if (failures < downAfterFailures) return 0;
  const { baseMs, maxMs, jitter } = probeWaits;
  return Math.min(maxMs, baseMs * 2 ** (failures - downAfterFailures)) * (1 + jitter * random);
}
