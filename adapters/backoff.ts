import { setTimeout as delay } from 'node:timers/promises';

/** Waits before another attempt. Tests that have no time give their own. */
export type Wait = (ms: number) => Promise<unknown>;

export type Backoff = {
  /** The longest wait after the first attempt; it doubles with each. */
  readonly baseMs: number;
  readonly maxMs: number;
  /** @default the clock's */
  readonly wait?: Wait | undefined;
};

/**
 * Waits a random time below `baseMs · 2^(attempt - 1)`: full jitter, so that callers who failed together do not come back together.
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export async function waitAfterAttempt(attempt: number, backoff: Backoff): Promise<void> {
  const { wait = delay } = backoff;
  await wait(waitAfterAttemptMs(attempt, backoff));
}

/** How long that is, for who waits for other things meanwhile. */
export function waitAfterAttemptMs(attempt: number, { baseMs, maxMs }: Backoff): number {
  return Math.random() * Math.min(maxMs, baseMs * 2 ** (attempt - 1));
}
