const [secondMs, minuteMs, hourMs] = [1_000, 60_000, 3_600_000];

/** What passes before each attempt, from the one before it: ten attempts in three days and a good three hours. */
export const attemptWaitsMs: readonly number[] = [
  0,
  5 * secondMs,
  5 * minuteMs,
  30 * minuteMs,
  2 * hourMs,
  5 * hourMs,
  10 * hourMs,
  14 * hourMs,
  20 * hourMs,
  24 * hourMs,
];
export const attemptsMax = attemptWaitsMs.length;

/** A receiver that asks for more than this gets no more. */
const retryAfterMaxMs = 24 * hourMs;
/** Chance adds up to a tenth and takes nothing away, so that the last attempt never comes sooner than the schedule says. */
const jitter = 0.1;

/**
 * How long a delivery waits after its `attempts`-th attempt has failed; undefined when that was the last one.
 * @param random from 0 to 1
 */
export function retryWaitMs(after: {
  readonly attempts: number;
  readonly random: number;
  readonly retryAfterMs?: number;
}): number | undefined {
  const waitMs = attemptWaitsMs[after.attempts];
  return waitMs === undefined ? undefined : Math.max(waitMs * (1 + jitter * after.random), retryAfterOf(after));
}

/** The receiver's wish, as far as it is honoured. */
export function retryAfterOf({ retryAfterMs = 0 }: { readonly retryAfterMs?: number }): number {
  return retryAfterMs > 0 ? Math.min(retryAfterMs, retryAfterMaxMs) : 0;
}
