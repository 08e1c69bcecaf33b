import type { RoundLeases } from '../../../adapters/delivery/rounds.ts';

/** Leases of rounds that live as long as a test. */
export class MemoryRoundLeases implements RoundLeases {
  readonly #kept = new Map<string, { readonly lease: string; readonly untilMs: number }>();
  #count = 0;

  async take(
    endpoint: string,
    { nowMs, untilMs, from }: { readonly nowMs: number; readonly untilMs: number; readonly from?: string },
  ): Promise<string | undefined> {
    const kept = this.#kept.get(endpoint);
    if (kept !== undefined && kept.untilMs > nowMs && kept.lease !== from) return undefined;
    const lease = String(++this.#count);
    this.#kept.set(endpoint, { lease, untilMs });
    return lease;
  }

  async end(endpoint: string, lease: string): Promise<void> {
    if (this.#kept.get(endpoint)?.lease === lease) this.#kept.delete(endpoint);
  }

  async isTaken(endpoint: string, nowMs: number): Promise<boolean> {
    return (this.#kept.get(endpoint)?.untilMs ?? nowMs) > nowMs;
  }
}
