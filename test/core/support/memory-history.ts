import type { ConsumerOptions } from '../../../lambdas/consume-kinesis.ts';
import type { Bar, BarBatch, LateTrade } from '../../../core/bar.ts';
import type { Quarantined } from '../../../core/reasons.ts';

/** What a history keeps, without a database: of each window the bar with the highest `rev`, of everything else one of each. */
export class MemoryHistory {
  readonly bars = new Map<string, Bar>();
  readonly late = new Map<string, LateTrade>();
  readonly quarantined = new Map<string, Quarantined>();
  /** Every bar in the order it was written, repeats too. */
  readonly written: Bar[] = [];

  readonly writer: ConsumerOptions['history'] = {
    writeBars: async (batch) => this.#takeBars(batch),
    writeLate: async (late) => {
      for (const trade of late) this.late.set(`${trade.position} ${trade.windowStartMs} ${trade.windowEndMs}`, trade);
    },
    writeQuarantined: async (quarantined) => {
      for (const one of quarantined) this.quarantined.set(`${one.position} ${one.reason}`, one);
    },
  };

  #takeBars(batch: BarBatch): void {
    for (const bar of batch) {
      this.written.push(bar);
      const key = barKey(bar);
      const standing = this.bars.get(key);
      // Two different bars of one window and one rev would make the table depend on the order of writing.
      if (standing?.rev === bar.rev && JSON.stringify(standing) !== JSON.stringify(bar)) throw new Error(`two bars with one rev: ${key}`);
      if (standing === undefined || bar.rev > standing.rev) this.bars.set(key, bar);
    }
  }
}

export function barKey({ symbol, windowStartMs, windowEndMs }: Bar): string {
  return `${symbol} ${windowStartMs} ${windowEndMs}`;
}

/** A table as lines that can be compared, whatever order it was made in. */
export function sortedLines(values: Iterable<unknown>): string[] {
  return Array.from(values, (value) => JSON.stringify(value)).sort();
}
