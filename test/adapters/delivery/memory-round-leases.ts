import type { RoundLeases } from '../../../adapters/delivery/rounds.ts';

/** Leases of rounds that live as long as a test. */
export class MemoryRoundLeases implements RoundLeases {
  readonly #kept = new Map<string, { readonly round: string; readonly untilMs: number }>();
  #rounds = 0;

  async begin(endpoint: string, { nowMs, untilMs }: { readonly nowMs: number; readonly untilMs: number }): Promise<string | undefined> {
    if (this.#isUnderWay(endpoint, nowMs)) return undefined;
    const round = String(++this.#rounds);
    this.#kept.set(endpoint, { round, untilMs });
    return round;
  }

  async end(endpoint: string, round: string): Promise<void> {
    if (this.#kept.get(endpoint)?.round === round) this.#kept.delete(endpoint);
  }

  async isUnderWay(endpoint: string, nowMs: number): Promise<boolean> {
    return this.#isUnderWay(endpoint, nowMs);
  }

  #isUnderWay(endpoint: string, nowMs: number): boolean {
    return (this.#kept.get(endpoint)?.untilMs ?? nowMs) > nowMs;
  }
}
