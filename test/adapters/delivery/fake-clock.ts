import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../../adapters/delivery/clock.ts';

type Timer = { readonly atMs: number; readonly ring: () => void };

/** Time that passes only when it is told to, and then at once. */
export class FakeClock implements Clock {
  #nowMs: number;
  readonly #timers = new Set<Timer>();
  #uses = 0;

  constructor(nowMs = Date.UTC(2026, 0, 5, 12)) {
    this.#nowMs = nowMs;
  }

  readonly now = (): number => this.#nowMs;

  readonly after = (ms: number, ring: () => void): (() => void) => {
    this.#uses++;
    const timer = { atMs: this.#nowMs + ms, ring };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  /** Lets everything happen that happens in this time, in order. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      await this.#settled();
      const next = [...this.#timers].filter(({ atMs }) => atMs <= endMs).reduce<Timer | undefined>(earlier, undefined);
      if (next === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      this.#timers.delete(next);
      next.ring();
    }
    this.#nowMs = endMs;
  }

  /** Until nobody has asked for the clock for longer than any chain of promises takes that waits for nothing. */
  async #settled(): Promise<void> {
    for (let quietTurns = 0, uses = this.#uses; quietTurns < 6; quietTurns++) {
      await nextTurn();
      if (this.#uses !== uses) quietTurns = 0;
      uses = this.#uses;
    }
  }
}

function earlier(a: Timer | undefined, b: Timer): Timer {
  return a === undefined || b.atMs < a.atMs ? b : a;
}
