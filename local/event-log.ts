import { signalEventOf } from '../adapters/bus/signal-event.ts';
import type { QueryResult } from '../adapters/history/history.ts';
import { intervalText } from '../core/interval.ts';
import type { Signal } from '../core/signal.ts';

export const eventLogNames = ['signals', 'bars'] as const;
export type EventLogName = (typeof eventLogNames)[number];

export type LoggedEvent = {
  /** Its place in the history's table: it grows, and stays the same. */
  readonly id: number;
  readonly event: string;
  readonly data: string;
  /** What a client may filter on. */
  readonly fields: Readonly<Record<string, string>>;
};

type Row = Readonly<Record<string, unknown>>;

const pageRows = 500;

/** The history's rows in the order in which they were written: what was given out, revisions and repeats included. */
export class EventLog {
  readonly #query: (sql: string) => Promise<QueryResult>;
  /** What several clients ask for at the same place is read once. */
  #pages = new Map<string, Promise<readonly LoggedEvent[]>>();
  #change = Promise.withResolvers<void>();

  constructor(query: (sql: string) => Promise<QueryResult>) {
    this.#query = query;
  }

  /** There may be more rows now. */
  tell(): void {
    this.#pages = new Map();
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  /** Resolves when there may be more rows than there are now. */
  change(): Promise<void> {
    return this.#change.promise;
  }

  /** Where a client goes on that has seen `after`; at the end where it says nothing. */
  async positionAfter(name: EventLogName, after: string | undefined): Promise<number> {
    const { rows } = await this.#query(`SELECT coalesce(max(rowid), -1) FROM ${tables[name].table}`);
    const last = Number(rows[0]?.[0]);
    // An id that is not there yet is of another state folder: better all again than nothing.
    return after === undefined ? last : Number(after) > last ? -1 : Number(after);
  }

  /** The next rows behind a place, oldest first; none at the end. */
  page(name: EventLogName, position: number): Promise<readonly LoggedEvent[]> {
    const key = `${name} ${position}`;
    const page = this.#pages.get(key) ?? this.#read(name, position);
    this.#pages.set(key, page);
    return page;
  }

  async #read(name: EventLogName, position: number): Promise<readonly LoggedEvent[]> {
    const { table, eventOf } = tables[name];
    const { columns, rows } = await this.#query(`SELECT rowid, * FROM ${table} WHERE rowid > ${position} ORDER BY rowid LIMIT ${pageRows}`);
    return rows.map((values) => {
      const { rowid, ...row } = Object.fromEntries(columns.map(({ name: column }, i) => [column, values[i]])) as Row & { rowid: number };
      return { id: rowid, ...eventOf(row) };
    });
  }
}

const tables: Record<EventLogName, { readonly table: string; readonly eventOf: (row: Row) => Omit<LoggedEvent, 'id'> }> = {
  signals: {
    table: 'signal_rows',
    eventOf: (row) => {
      const signal = row as unknown as Signal;
      const { symbol, strategy, side } = signal;
      const fields = { symbol, strategy, side, interval: intervalOf(signal) };
      return { event: 'signal', data: JSON.stringify(signalEventOf(signal, { source: '/tapeline' })), fields };
    },
  },
  bars: {
    table: 'bar_rows',
    eventOf: (row) => {
      const bar = row as { symbol: string; windowStartMs: number; windowEndMs: number };
      return { event: 'bar', data: JSON.stringify(bar), fields: { symbol: bar.symbol, interval: intervalOf(bar) } };
    },
  },
};

function intervalOf({ windowStartMs, windowEndMs }: { readonly windowStartMs: number; readonly windowEndMs: number }): string {
  return intervalText(windowEndMs - windowStartMs);
}
