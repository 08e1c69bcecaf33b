import { bySignalOrder, type LinkedSignal, type SignalPlace } from './signal.ts';
import type { EpochMs } from './trade.ts';

/** How far the signals of one symbol have been let through, and which have come too early. */
export type SymbolOrder = {
  /** The furthest; undefined before the first. */
  readonly last: SignalPlace | undefined;
  /** Ids of those that went last: more than one, for who else publishes signals of the symbol comes in between. */
  readonly recent: readonly string[];
  /** They wait for the one before them, in their order. */
  readonly early: readonly EarlySignal[];
};

type EarlySignal = { readonly signal: LinkedSignal; readonly untilMs: EpochMs };

export type LetThrough = {
  readonly order: SymbolOrder;
  /** In their order; repeats of what was let through before are among them. */
  readonly signals: readonly LinkedSignal[];
  /** Of these, how many went without the one before them. */
  readonly gaps: number;
};

export const orderAtFirst: SymbolOrder = { last: undefined, recent: [], early: [] };

/** How long a signal waits for the one before it: a bus and a queue take seconds, and one that was refused or filtered out never comes. */
export const earlyMaxMs = 60_000;
/** So many of one symbol wait at once; then they go as they are. */
const earlyCountMax = 100;
const recentMax = 8;

/**
 * Lets signals of one symbol through in the order in which they were raised, whatever order they come in:
 *
 *     raised   1 ─▶ 2 ─▶ 3 ─▶ 4       each names the one before it
 *     come     1    3    2    4
 *     go       1    ·   2 3   4       or, should 2 not come, 3 after a minute
 *
 * One that comes behind the last goes at once: it is a repeat, or nobody waits for it any more.
 */
export function letThrough({ last, recent, early }: SymbolOrder, arrivals: readonly LinkedSignal[], nowMs: EpochMs): LetThrough {
  const untilMs = nowMs + earlyMaxMs;
  const waiting = [
    ...new Map([...arrivals.map((signal) => ({ signal, untilMs })), ...early].map((each) => [each.signal.signalId, each])).values(),
  ];
  waiting.sort((a, b) => bySignalOrder(a.signal, b.signal));
  const dueIndex = waiting.length > earlyCountMax ? waiting.length - 1 : waiting.findLastIndex((each) => each.untilMs <= nowMs);
  const signals: LinkedSignal[] = [];
  const gone = new Set(recent);
  let furthest = last;
  let gaps = 0;
  for (const [i, { signal }] of waiting.entries()) {
    const isBehind = furthest !== undefined && bySignalOrder(signal, furthest) <= 0;
    const isNext = signal.previousId === undefined || gone.has(signal.previousId);
    if (!isBehind && !isNext && i > dueIndex) break;
    signals.push(signal);
    if (isBehind) continue;
    if (!isNext) gaps++;
    furthest = { windowEndMs: signal.windowEndMs, signalId: signal.signalId };
    gone.add(signal.signalId);
  }
  return { order: { last: furthest, recent: [...gone].slice(-recentMax), early: waiting.slice(signals.length) }, signals, gaps };
}
