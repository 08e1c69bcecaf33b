/** One way to do the work. What `run` returns is kept, so that no compiler can leave the work out; `prepare` is not timed. */
export type Contender = { readonly name: string; readonly prepare?: () => unknown; readonly run: () => unknown };

export type RaceOptions = {
  readonly rounds: number;
  /** How many trades, lines or updates one run takes. */
  readonly count: number;
  readonly progress: (text: string) => void;
};

/**
 * Nanoseconds of processor time for each trade, by the contender's name: the median of all rounds but the first, which is for warming up.
 * Everybody takes a turn in every round, so that a busy machine is busy for all. Time is the processor's, that of all threads of this
 * process, its kernel calls and garbage collection included. Garbage is collected when it is: a collection by command would throw away
 * compiled code too.
 */
export async function race(contenders: readonly Contender[], { rounds, count, progress }: RaceOptions): Promise<number[]> {
  const times: number[][] = contenders.map(() => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [i, { name, prepare, run }] of contenders.entries()) {
      progress(`round ${round} of ${rounds}: ${name}`);
      await prepare?.();
      const before = process.cpuUsage();
      kept = await run();
      const { user, system } = process.cpuUsage(before);
      if (round > 0) times[i]?.push(((user + system) * 1_000) / count);
    }
  }
  kept = undefined;
  return times.map(medianOf);
}

/** The only reason to be of this is that somebody could look. */
export let kept: unknown;

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
