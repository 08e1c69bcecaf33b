/** Who wants to make attempts: endpoints that answer, or endpoints whose last attempt failed. */
export type SlotKind = 'healthy' | 'failing';

/**
 * How many attempts are made at once in all. Endpoints that fail, which may each take the whole time of an attempt, share half of the slots:
 * they cannot keep the others waiting.
 */
export class Slots {
  readonly #max: Readonly<Record<SlotKind, number>>;
  readonly #taken = { healthy: 0, failing: 0 };
  /** In the order in which they came. */
  readonly #waiting = { healthy: new Set<() => void>(), failing: new Set<() => void>() };

  constructor(max: number) {
    this.#max = { healthy: max, failing: Math.max(1, Math.floor(max / 2)) };
  }

  /** As many as there are, up to `wanted`. With none, `wake` is called once when there are some again. */
  take(wanted: number, kind: SlotKind, wake: () => void): number {
    const granted = Math.min(wanted, this.#free(kind));
    if (granted <= 0) {
      this.#waiting[kind].add(wake);
      return 0;
    }
    this.#taken[kind] += granted;
    return granted;
  }

  give(count: number, kind: SlotKind): void {
    this.#taken[kind] -= count;
    this.pass();
  }

  /** Whoever was called and needs no slot lets the next one have it. */
  pass(): void {
    for (const waiting of ['healthy', 'failing'] as const) {
      for (const wake of [...this.#waiting[waiting]].slice(0, Math.max(0, this.#free(waiting)))) {
        this.#waiting[waiting].delete(wake);
        wake();
      }
    }
  }

  /** Whether the owner of `wake` waits to be called. */
  isWaiting(wake: () => void): boolean {
    return this.#waiting.healthy.has(wake) || this.#waiting.failing.has(wake);
  }

  #free(kind: SlotKind): number {
    const inAll = this.#max.healthy - this.#taken.healthy - this.#taken.failing;
    return kind === 'healthy' ? inAll : Math.min(inAll, this.#max.failing - this.#taken.failing);
  }
}
