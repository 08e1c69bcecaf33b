import type { Outcome } from './outcome.ts';
import { retryAfterOf } from './retry-schedule.ts';
import type { EpochMs } from './trade.ts';

/** What is remembered of an endpoint as a whole. */
export type EndpointState =
  | { readonly kind: 'healthy' }
  | {
      readonly kind: 'failing';
      /** In a row, without a success between them; those of one moment are one. */
      readonly failures: number;
      readonly sinceMs: EpochMs;
      /** When the last of these failures was known; absent in what was stored before there was this. */
      readonly failedAtMs?: EpochMs;
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
/** Longer than any wait between attempts, with what chance and a receiver's wish add: then nothing was tried in between. */
const quietAfterMs = 2 * 24 * 3_600_000;

/** Between attempts while it is down: 5 s, doubling to 5 minutes. Chance adds up to a fifth, so that endpoints on one host do not come together. */
const probeWaits = { baseMs: 5_000, maxMs: 300_000, jitter: 0.2 };

/** Nobody outside is asked by an attempt that is refused. */
const refusedRetryMs = 10 * 60_000;

/** When the attempt began and when its outcome was known; `random` is from 0 to 1. */
type AttemptTimes = { readonly attemptedAtMs: EpochMs; readonly nowMs: EpochMs; readonly random: number };

/** The state after one attempt. A disabled endpoint stays so, whatever attempts that were under way bring. */
export function endpointAfter(state: EndpointState, outcome: Outcome, times: AttemptTimes): EndpointState {
  const { nowMs } = times;
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
    case 'failed':
      return afterFailure(state, outcome, times);
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

function afterFailure(state: EndpointState, outcome: Outcome & { readonly kind: 'failed' }, times: AttemptTimes): EndpointState {
  const { attemptedAtMs, nowMs, random } = times;
  const { reason } = outcome;
  const askedMs = nowMs + retryAfterOf(outcome);
  if (state.kind !== 'failing') return { kind: 'failing', failures: 1, sinceMs: nowMs, failedAtMs: nowMs, notBeforeMs: askedMs, reason };
  const { failedAtMs = state.sinceMs } = state;
  // It was under way when another failed, and says no more than that one did.
  if (attemptedAtMs < failedAtMs) return { ...state, notBeforeMs: Math.max(state.notBeforeMs, askedMs) };
  const sinceMs = attemptedAtMs - failedAtMs > quietAfterMs ? nowMs : state.sinceMs;
  if (nowMs - sinceMs >= disabledAfterMs) return { kind: 'disabled', cause: 'failing', reason, sinceMs: nowMs };
  const failures = state.failures + 1;
  const notBeforeMs = Math.max(askedMs, nowMs + probeWaitMs(failures, random));
  return { kind: 'failing', failures, sinceMs, failedAtMs: nowMs, notBeforeMs, reason };
}

function probeWaitMs(failures: number, random: number): number {
  if (failures < downAfterFailures) return 0;
  const { baseMs, maxMs, jitter } = probeWaits;
  return Math.min(maxMs, baseMs * 2 ** (failures - downAfterFailures)) * (1 + jitter * random);
}
