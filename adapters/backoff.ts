import { setTimeout as delay } from 'node:timers/promises';

/** Waits before another attempt. Tests that have no time give their own. */
export type Wait = (ms: number) => Promise<unknown>;

export type Backoff = {
  /** The longest wait after the first attempt; it doubles with each. */
  readonly baseMs: number;
  readonly maxMs: number;
  /** @default the clock's */
  readonly wait?: Wait;
};

/**
 * Waits a random time below `baseMs · 2^(attempt - 1)`: full jitter, so that callers who failed together do not come back together.
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export async function waitAfterAttempt(attempt: number, { baseMs, maxMs, wait = delay }: Backoff): Promise<void> {
  await wait(Math.random() * Math.min(maxMs, baseMs * 2 ** (attempt - 1)));
}
