import { letThrough, type SymbolOrder } from '../../core/signal-order.ts';
import type { LinkedSignal } from '../../core/signal.ts';
import { type Backoff, waitAfterAttempt } from '../backoff.ts';
import { inParallel } from '../in-parallel.ts';
import { type Clock, systemClock } from './clock.ts';

/** What is kept of a symbol's order, and of which version. */
export type KeptOrder = { readonly symbol: string; readonly order: SymbolOrder; readonly version: number };

/** Remembers how far each symbol's signals have come. */
export interface OrderStore {
  /** `orderAtFirst` of version 0 for a symbol that nothing is known of. */
  load(symbol: string): Promise<KeptOrder>;
  /** As the version after. @returns whether it is kept; not where somebody else has kept that version before */
  save(kept: KeptOrder, nowMs: number): Promise<boolean>;
  /** Symbols of which a signal has waited long enough for the one before it, those first that have waited longest. */
  overdue(nowMs: number, limit: number): Promise<string[]>;
}

export type ArrivalsOptions = {
  readonly store: OrderStore;
  /** Takes signals on: when it answers, they are durable. May get one again. */
  readonly offer: (signals: readonly LinkedSignal[]) => Promise<unknown>;
  /** @default the system's */
  readonly clock?: Clock;
};

/** Of signals that came: how many went without the one before them. */
export type Arrived = { readonly gaps: number };

const parallelMax = 16;
const overdueMax = 1_000;
const backoff: Backoff = { baseMs: 20, maxMs: 1_000 };

/**
 * Signals from a bus that may change their places, put back into their order symbol by symbol before they are offered. Any number of these
 * may work on one store. What came too early is kept by the store, so when `take` answers nothing is lost.
 */
export class Arrivals {
  readonly #options: Required<ArrivalsOptions>;

  constructor(options: ArrivalsOptions) {
    this.#options = { clock: systemClock, ...options };
  }

  take(signals: readonly LinkedSignal[]): Promise<Arrived> {
    return this.#take(Map.groupBy(signals, ({ symbol }) => symbol));
  }

  /** Offers what has waited long enough. */
  async sweep(): Promise<Arrived> {
    const symbols = await this.#options.store.overdue(this.#options.clock.now(), overdueMax);
    return this.#take(new Map(symbols.map((symbol) => [symbol, []])));
  }

  /** What is offered and then not kept as gone, because others were faster or this process ended, is offered again: it is known by then. */
  async #take(arrivals: ReadonlyMap<string, readonly LinkedSignal[]>): Promise<Arrived> {
    const { store, offer, clock } = this.#options;
    let open = [...arrivals.keys()];
    let gaps = 0;
    for (let attempt = 1; open.length > 0; attempt++) {
      if (attempt > 1) await waitAfterAttempt(attempt, backoff);
      const nowMs = clock.now();
      const steps = await inParallel(open, parallelMax, async (symbol) => {
        const kept = await store.load(symbol);
        return { kept, through: letThrough(kept.order, arrivals.get(symbol) ?? [], nowMs) };
      });
      const signals = steps.flatMap(({ through }) => through.signals);
      if (signals.length > 0) await offer(signals);
      const areKept = await inParallel(steps, parallelMax, ({ kept, through }) => store.save({ ...kept, order: through.order }, nowMs));
      gaps += steps.reduce((sum, { through }, i) => sum + (areKept[i] ? through.gaps : 0), 0);
      open = steps.flatMap(({ kept }, i) => (areKept[i] ? [] : kept.symbol));
    }
    return { gaps };
  }
}
