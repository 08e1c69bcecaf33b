/** Where the dispatcher has its time from. Tests give their own. */
export type Clock = {
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Calls `ring` once when the time is over. @returns what keeps it from that */
  readonly after: (ms: number, ring: () => void) => () => void;
};

/** A waiting dispatcher alone does not keep a process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after: (ms, ring) => {
    const timer = setTimeout(ring, ms).unref();
    return () => clearTimeout(timer);
  },
};
