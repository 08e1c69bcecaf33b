import type { KeptOrder, OrderStore } from '../../../adapters/delivery/arrivals.ts';
import { orderAtFirst } from '../../../core/signal-order.ts';

/** Symbols' orders that live as long as a test. */
export class MemoryOrders implements OrderStore {
  readonly #kept = new Map<string, KeptOrder>();

  async load(symbol: string): Promise<KeptOrder> {
    return this.#kept.get(symbol) ?? { symbol, order: orderAtFirst, version: 0 };
  }

  async save(kept: KeptOrder): Promise<boolean> {
    if ((this.#kept.get(kept.symbol)?.version ?? 0) !== kept.version) return false;
    this.#kept.set(kept.symbol, { ...kept, version: kept.version + 1 });
    return true;
  }

  async overdue(nowMs: number, limit: number): Promise<string[]> {
    const waiting = [...this.#kept.values()].flatMap(({ symbol, order: { early } }) =>
      early.length === 0 ? [] : { symbol, dueAtMs: Math.min(...early.map(({ untilMs }) => untilMs)) },
    );
    const due = waiting.filter(({ dueAtMs }) => dueAtMs <= nowMs).toSorted((a, b) => a.dueAtMs - b.dueAtMs);
    return due.slice(0, limit).map(({ symbol }) => symbol);
  }
}
