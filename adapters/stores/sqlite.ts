import { DatabaseSync } from 'node:sqlite';
import type { LinkedSignal } from '../../core/signal.ts';
import { inTransaction } from '../sqlite-transaction.ts';
import { CheckpointConflict, StateInUse } from './errors.ts';
import type { Checkpoint, CheckpointStore, Commit, OutboxItem } from './checkpoints.ts';

const schema = `
  CREATE TABLE IF NOT EXISTS checkpoints (bucket INTEGER PRIMARY KEY, version INTEGER NOT NULL, sequenceNumber TEXT NOT NULL, state BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY, bucket INTEGER NOT NULL, version INTEGER NOT NULL, signals TEXT NOT NULL, UNIQUE (bucket, version));
`;

const sqliteBusy = 5;

/** Checkpoints and outbox in one SQLite file. Committed means on the disk: `synchronous=FULL`. */
export class SqliteCheckpoints implements CheckpointStore {
  readonly #database: DatabaseSync;

  /** @throws StateInUse when another process has the file open, after waiting a little for it to end. */
  constructor(file: string, { waitMs = 5_000 }: { readonly waitMs?: number } = {}) {
    this.#database = new DatabaseSync(file, { timeout: waitMs });
    try {
      // The lock goes with the process, also when it is killed: whoever has it is the one consumer of this state.
      this.#database.exec(
        `PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; BEGIN IMMEDIATE; ${schema} COMMIT`,
      );
    } catch (cause) {
      this.#database.close();
      if ((cause as { errcode?: number }).errcode === sqliteBusy) throw new StateInUse({ file, cause });
      throw cause;
    }
  }

  async load(buckets: readonly number[]): Promise<Checkpoint[]> {
    const select = this.#database.prepare('SELECT bucket, version, sequenceNumber, state FROM checkpoints WHERE bucket = ?');
    return buckets.flatMap((bucket) => (select.get(bucket) as Checkpoint | undefined) ?? []);
  }

  async commit(commits: readonly Commit[]): Promise<void> {
    const conflicts = inTransaction(this.#database, () => commits.filter((commit) => !this.#commitOne(commit)));
    if (conflicts.length > 0) throw new CheckpointConflict({ buckets: conflicts.map(({ bucket }) => bucket) });
  }

  async readOutbox(limit: number): Promise<OutboxItem[]> {
    const rows = this.#database.prepare('SELECT bucket, version, signals FROM outbox ORDER BY id LIMIT ?').all(limit);
    return rows.map((row) => ({
      bucket: Number(row['bucket']),
      version: Number(row['version']),
      signals: JSON.parse(String(row['signals'])) as LinkedSignal[],
    }));
  }

  async removeFromOutbox(items: readonly OutboxItem[]): Promise<void> {
    const remove = this.#database.prepare('DELETE FROM outbox WHERE bucket = ? AND version = ?');
    inTransaction(this.#database, () => {
      for (const { bucket, version } of items) remove.run(bucket, version);
    });
  }

  close(): void {
    this.#database.close();
  }

  #commitOne({ bucket, expectedVersion, sequenceNumber, state, signals }: Commit): boolean {
    const { changes } =
      expectedVersion === 0
        ? this.#database.prepare('INSERT INTO checkpoints VALUES (?, 1, ?, ?) ON CONFLICT DO NOTHING').run(bucket, sequenceNumber, state)
        : this.#database
            .prepare('UPDATE checkpoints SET version = version + 1, sequenceNumber = ?, state = ? WHERE bucket = ? AND version = ?')
            .run(sequenceNumber, state, bucket, expectedVersion);
    if (changes === 0) return false;
    if (signals.length > 0) {
      this.#database
        .prepare('INSERT INTO outbox (bucket, version, signals) VALUES (?, ?, ?)')
        .run(bucket, expectedVersion + 1, JSON.stringify(signals));
    }
    return true;
  }
}
