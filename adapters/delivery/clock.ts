import { setTimeout as delay } from 'node:timers/promises';

/** Where the dispatcher has its time from. Tests give their own. */
export type Clock = {
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Answers when the time is over, or at once when `signal` is aborted. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
};

/** A waiting dispatcher alone does not keep a process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  wait: (ms, signal) => delay(ms, undefined, { signal, ref: false }).catch(() => undefined),
};
