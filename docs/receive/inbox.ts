import { DatabaseSync } from 'node:sqlite';

export type SignalEvent = {
  readonly id: string;
  readonly type: string;
  readonly data: { readonly symbol: string; readonly side: 'buy' | 'sell'; readonly price: number; readonly strategy: string };
};

/** Events that have arrived, each once by its id, until they are done: an answer to a webhook is a promise not to lose it. */
export class Inbox {
  readonly #act: (event: SignalEvent) => void | Promise<void>;
  readonly #database: DatabaseSync;
  #working: Promise<void> | undefined;

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
  #work(): void {
    this.#working ??= this.#workThrough()
      .catch((error) => console.error(error))
      .finally(() => {
        this.#working = undefined;
      });
  }

  async #workThrough(): Promise<void> {
    const next = this.#database.prepare('SELECT place, event FROM inbox WHERE NOT isDone ORDER BY place LIMIT 1');
    const done = this.#database.prepare('UPDATE inbox SET isDone = 1 WHERE place = ?');
    for (let row = next.get(); row !== undefined; row = next.get()) {
      const event = JSON.parse(row['event'] as string) as SignalEvent;
      // Other types are no signals: a ping, and whatever comes one day.
      if (event.type === 'tapeline.signal.v1') await this.#act(event);
      done.run(row['place'] as number);
    }
  }
}
