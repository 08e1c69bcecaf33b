import { DatabaseSync } from 'node:sqlite';

export type SignalEvent = {
  readonly id: string;
  readonly type: string;
  /** The symbol. */
  readonly subject?: string;
  readonly data: { readonly symbol: string; readonly side: 'buy' | 'sell'; readonly price: number; readonly strategy: string };
};

const againAfterMs = 5_000;

/** Events that have arrived, each once by its id, until they are done: an answer to a webhook is a promise not to lose it. */
export class Inbox {
  readonly #act: (event: SignalEvent) => void | Promise<void>;
  readonly #database: DatabaseSync;
  /** Symbols of which an event has just failed: what came after it waits too, so that each symbol keeps its order. */
  readonly #held = new Set<string | undefined>();
  #isWorking = false;

  constructor(path: string, act: (event: SignalEvent) => void | Promise<void>) {
    this.#act = act;
    this.#database = new DatabaseSync(path);
    this.#database.exec(
      'CREATE TABLE IF NOT EXISTS inbox (place INTEGER PRIMARY KEY, id TEXT UNIQUE, event TEXT, isDone INTEGER DEFAULT 0)',
    );
    this.#work();
  }

  /** Takes what a webhook brought: one event, or a batch of them. A repeat changes nothing. */
  take(payload: unknown): void {
    const insert = this.#database.prepare('INSERT OR IGNORE INTO inbox (id, event) VALUES (?, ?)');
    for (const event of [payload].flat() as SignalEvent[]) insert.run(event.id, JSON.stringify(event));
    this.#work();
  }

  /** Oldest first, one after the other, and again what the last process has not done. */
  async #work(): Promise<void> {
    if (this.#isWorking) return;
    this.#isWorking = true;
    for (let next = this.#next(); next !== undefined; next = this.#next()) await this.#do(next);
    // In the same turn as the last look: what is taken from now on starts it again.
    this.#isWorking = false;
  }

  #next(): Waiting | undefined {
    for (const row of this.#database.prepare('SELECT place, event FROM inbox WHERE NOT isDone ORDER BY place').iterate()) {
      const event = JSON.parse(row['event'] as string) as SignalEvent;
      if (!this.#held.has(event.subject)) return { place: row['place'] as number, event };
    }
    return undefined;
  }

  async #do({ place, event }: Waiting): Promise<void> {
    try {
      // Other types are no signals: a ping, and whatever comes one day.
      if (event.type === 'tapeline.signal.v1') await this.#act(event);
      this.#database.prepare('UPDATE inbox SET isDone = 1 WHERE place = ?').run(place);
    } catch (error) {
      console.error(`"${event.id}" is tried again in ${againAfterMs / 1_000} s:`, error);
      this.#held.add(event.subject);
      setTimeout(() => {
        this.#held.delete(event.subject);
        this.#work();
      }, againAfterMs);
    }
  }
}

type Waiting = { readonly place: number; readonly event: SignalEvent };
