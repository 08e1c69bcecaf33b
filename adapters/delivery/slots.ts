/** Who wants to make attempts: endpoints that answer, or endpoints whose last attempt failed. */
export type SlotKind = 'healthy' | 'failing';

export type SlotRequest = {
  readonly wanted: number;
  /** Attempts that it has under way. */
  readonly held: number;
  readonly kind: SlotKind;
};

/**
 * How many attempts are made at once in all. Endpoints that fail, which may each take the whole time of an attempt, share half of the slots;
 * the last quarter is for endpoints that answer and have none under way. So neither those that fail nor those that answer slowly keep the
 * others waiting.
 */
export class Slots {
  readonly #max: { readonly inAll: number; readonly shared: number; readonly failing: number };
  readonly #taken = { healthy: 0, failing: 0 };
  /** In the order in which they came. */
  readonly #waiting = { healthy: new Set<() => void>(), failing: new Set<() => void>() };

  constructor(max: number) {
    const share = (part: number) => Math.max(1, Math.floor(max * part));
    this.#max = { inAll: max, shared: share(3 / 4), failing: share(1 / 2) };
  }

  /**
   * As many as there are, up to `wanted`. With none, `wake` is called once when there are some again, unless it has attempts under way: the
   * end of one makes it ask again.
   */
  take({ wanted, held, kind }: SlotRequest, wake: () => void): number {
    const granted = Math.min(wanted, this.#freeFor(kind, held));
    if (granted <= 0) {
      if (held === 0) this.#waiting[kind].add(wake);
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

  #freeFor(kind: SlotKind, held: number): number {
    if (kind === 'failing') return this.#free('failing');
    const shared = this.#max.shared - this.#takenInAll;
    return held === 0 && shared <= 0 ? Math.min(1, this.#free('healthy')) : shared;
  }

  /** For endpoints that have none. */
  #free(kind: SlotKind): number {
    const { inAll, shared, failing } = this.#max;
    return kind === 'healthy' ? inAll - this.#takenInAll : Math.min(shared - this.#takenInAll, failing - this.#taken.failing);
  }

  get #takenInAll(): number {
    return this.#taken.healthy + this.#taken.failing;
  }
}
