/** One way to do the work. What `run` returns is kept, so that no compiler can leave the work out. */
export type Contender = {
  readonly name: string;
  /** In how many parts the work is done. @default 1 */
  readonly parts?: number;
  /** Makes ready what a part needs; not timed. */
  readonly prepare?: (part: number) => unknown;
  readonly run: (part: number) => unknown;
};

export type RaceOptions = {
  readonly rounds: number;
  /**
   * Rounds before those that count: the way from a file to signals is a lot of code, and compiling it takes a third of a second.
   * @default as many as come to five million trades, at most 20
   */
  readonly warmUpRounds?: number;
  /** How many trades, lines or updates one run takes. */
  readonly count: number;
  readonly progress: (text: string) => void;
};

/**
 * Nanoseconds of processor time for each trade, by the contender's name: the median of the rounds after those for warming up.
 * Everybody takes a turn in every round, so that a busy machine is busy for all. Time is the processor's, that of all threads of this
 * process, its kernel calls and garbage collection included. Garbage is collected when it is: a collection by command would throw away
 * compiled code too.
 */
export async function race(
  contenders: readonly Contender[],
  { rounds, count, warmUpRounds = Math.min(20, Math.ceil(5_000_000 / count)), progress }: RaceOptions,
): Promise<number[]> {
  const times: number[][] = contenders.map(() => []);
  for (let round = 1 - warmUpRounds; round <= rounds; round++) {
    for (const [i, contender] of contenders.entries()) {
      progress(`${round > 0 ? `round ${round} of ${rounds}` : 'warming up'}: ${contender.name}`);
      const microseconds = await timeOf(contender);
      if (round > 0) times[i]?.push((microseconds * 1_000) / count);
    }
  }
  kept = undefined;
  return times.map(medianOf);
}

async function timeOf({ parts = 1, prepare, run }: Contender): Promise<number> {
  let microseconds = 0;
  for (let part = 0; part < parts; part++) {
    await prepare?.(part);
    const before = process.cpuUsage();
    kept = await run(part);
    const { user, system } = process.cpuUsage(before);
    microseconds += user + system;
  }
  return microseconds;
}

/** The only reason to be of this is that somebody could look. */
export let kept: unknown;

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
