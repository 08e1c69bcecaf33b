export type Settings = {
  /** Trades of the main market. */
  readonly tradeCount: number;
  readonly rounds: number;
  readonly progress: (text: string) => void;
};

/** One line of the table. */
export type Measure = {
  readonly what: string;
  readonly ours: number;
  readonly theirs?: number;
  readonly unit: string;
  /** How many times better ours is, or for `atMost` how many times dearer. */
  readonly ratio?: number;
  /** The project's goals for the ratio, or where there is none for our number: what must be, if anything must, and what would be good. */
  readonly goal?: Goal;
};
export type Goal =
  | { readonly atLeast: number; readonly aim: number }
  | { readonly atMost: number; readonly aim: number }
  | { readonly aimAtMost: number };
export type Verdict = 'aim' | 'goal' | 'missed' | 'short';

export type Suite = { readonly name: string; readonly summary: string; readonly run: (settings: Settings) => Promise<Measure[]> };

/** Ours against theirs in time: the ratio says how many times faster ours is. */
export function against(what: string, oursNs: number, theirsNs: number, goal?: Goal, unit = 'ns/trade'): Measure {
  return { what, ours: oursNs, theirs: theirsNs, unit, ratio: theirsNs / oursNs, ...(goal && { goal }) };
}

export function verdictOf({ ours, ratio, goal }: Measure): Verdict | undefined {
  if (goal === undefined) return undefined;
  const value = ratio ?? ours;
  if ('aimAtMost' in goal) return value <= goal.aimAtMost ? 'aim' : 'short';
  const passes = (limit: number) => ('atLeast' in goal ? value >= limit : value <= limit);
  if (passes(goal.aim)) return 'aim';
  return passes('atLeast' in goal ? goal.atLeast : goal.atMost) ? 'goal' : 'missed';
}
