import type { Series } from './program.ts';

/** A number stands for a level that never moves. A comparison with a series that has no value yet is false. */
export type Level = Series | number;

export function above(a: Level, b: Level): boolean {
  return nowOf(a) > nowOf(b);
}

export function below(a: Level, b: Level): boolean {
  return nowOf(a) < nowOf(b);
}

/**
 * True on the one decision where `a` is above `b` and was not above it at the last decision; touching is not above. Of a higher timeframe
 * that is the first decision after its close, not all of them until the next.
 */
export function crossedAbove(a: Level, b: Level): boolean {
  return nowOf(a) > nowOf(b) && beforeOf(a) <= beforeOf(b);
}

/** The mirror of `crossedAbove`. */
export function crossedBelow(a: Level, b: Level): boolean {
  return nowOf(a) < nowOf(b) && beforeOf(a) >= beforeOf(b);
}

function nowOf(level: Level): number {
  return typeof level === 'number' ? level : level.now;
}

function beforeOf(level: Level): number {
  return typeof level === 'number' ? level : level.atLastDecision;
}
