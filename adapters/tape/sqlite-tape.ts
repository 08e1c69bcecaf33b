import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Quarantined } from '../../core/reasons.ts';
import { inTransaction } from '../sqlite-transaction.ts';
import { StateInUse } from '../stores/errors.ts';

/** A record as the log keeps it. Sequence numbers rise over all shards of one tape. */
export type StoredRecord = {
  readonly sequenceNumber: string;
  readonly shardId: string;
  readonly partitionKey: string;
  readonly arrivalTimeMs: number;
  readonly data: Uint8Array;
};

export type NewRecord = Omit<StoredRecord, 'sequenceNumber'>;

/** What a feed must know to read on: saved in the transaction that appends what it has read, so that nothing is put twice or left out. */
export type SourceState = { readonly source: string; readonly state: string };

/** A log that records can be read from in order; the driver needs no more of a stream. */
export interface TapeReader {
  /** The shards to read now. One that is no longer among them has been read to its end, and is over. */
  shardIds(): string[];
  /** The records of a shard behind a sequence number ('' for the start), in order, up to a count and a sum of data bytes. */
  read(shardId: string, after: string, limits: { readonly recordsMax: number; readonly bytesMax: number }): StoredRecord[];
}

const schema = `
  CREATE TABLE IF NOT EXISTS records (sequenceNumber INTEGER PRIMARY KEY AUTOINCREMENT, shardId TEXT NOT NULL, partitionKey TEXT NOT NULL, arrivalTimeMs INTEGER NOT NULL, data BLOB NOT NULL);
  CREATE INDEX IF NOT EXISTS recordsByShard ON records (shardId, sequenceNumber);
  CREATE TABLE IF NOT EXISTS sources (source TEXT PRIMARY KEY, state TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS quarantine (position TEXT NOT NULL, reason TEXT NOT NULL, sample TEXT NOT NULL, PRIMARY KEY (position, reason));
`;

/** From each shard to the next one in the index: DISTINCT would go through all records of the tape, each time that it is read. */
const shardIdsSql = `
  WITH RECURSIVE shards(id) AS (
    SELECT min(shardId) FROM records
    UNION ALL
    SELECT (SELECT min(shardId) FROM records WHERE shardId > id) FROM shards WHERE id IS NOT NULL
  )
  SELECT id AS shardId FROM shards WHERE id IS NOT NULL
`;

const sqliteBusy = 5;
const lockWaitMs = 5_000;

/** The durable log of a laptop: one SQLite file, on the disk when `append` returns. */
export class SqliteTape implements TapeReader {
  readonly #database: DatabaseSync;
  readonly #select: StatementSync;
  readonly #selectShardIds: StatementSync;

  /** `isExclusive` keeps every other process out for as long as it is open. @throws StateInUse when it is not alone */
  constructor(
    file: string,
    { readOnly = false, isExclusive = false }: { readonly readOnly?: boolean; readonly isExclusive?: boolean } = {},
  ) {
    this.#database = new DatabaseSync(file, { readOnly, timeout: isExclusive ? lockWaitMs : 0 });
    if (isExclusive) this.#lock(file);
    if (!readOnly) this.#database.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; ${schema}`);
    this.#select = this.#database.prepare(
      'SELECT sequenceNumber, shardId, partitionKey, arrivalTimeMs, data FROM records WHERE shardId = ? AND sequenceNumber > ? ORDER BY sequenceNumber LIMIT ?',
    );
    this.#selectShardIds = this.#database.prepare(shardIdsSql);
  }

  /** All of it or nothing, and the records with their numbers. `quarantined` are lines of the feed that became no trade. */
  append(records: readonly NewRecord[], sources: readonly SourceState[], quarantined: readonly Quarantined[]): StoredRecord[] {
    const insertRecord = this.#database.prepare('INSERT INTO records (shardId, partitionKey, arrivalTimeMs, data) VALUES (?, ?, ?, ?)');
    const insertQuarantined = this.#database.prepare('INSERT OR IGNORE INTO quarantine VALUES (?, ?, ?)');
    const insertSource = this.#database.prepare('INSERT OR REPLACE INTO sources VALUES (?, ?)');
    return inTransaction(this.#database, () => {
      const stored = records.map((record) => {
        const { lastInsertRowid } = insertRecord.run(record.shardId, record.partitionKey, record.arrivalTimeMs, record.data);
        return { ...record, sequenceNumber: String(lastInsertRowid) };
      });
      for (const { position, reason, sample } of quarantined) insertQuarantined.run(position, reason, sample);
      for (const { source, state } of sources) insertSource.run(source, state);
      return stored;
    });
  }

  sourceState(source: string): string | undefined {
    return this.#database.prepare('SELECT state FROM sources WHERE source = ?').get(source)?.['state'] as string | undefined;
  }

  sourceStates(): string[] {
    return this.#database
      .prepare('SELECT state FROM sources')
      .all()
      .map((row) => String(row['state']));
  }

  *quarantined(): Generator<Quarantined> {
    for (const row of this.#database.prepare('SELECT position, reason, sample FROM quarantine ORDER BY rowid').iterate())
      yield { ...row } as Quarantined;
  }

  quarantinedByReason(): Record<string, number> {
    const rows = this.#database.prepare('SELECT reason, count(*) AS count FROM quarantine GROUP BY reason').all();
    return Object.fromEntries(rows.map((row) => [String(row['reason']), Number(row['count'])]));
  }

  shardIds(): string[] {
    return this.#selectShardIds.all().map((row) => String(row['shardId']));
  }

  read(
    shardId: string,
    after: string,
    { recordsMax, bytesMax }: { readonly recordsMax: number; readonly bytesMax: number },
  ): StoredRecord[] {
    const records: StoredRecord[] = [];
    let bytes = 0;
    for (const row of this.#select.iterate(shardId, Number(after || 0), recordsMax)) {
      const record = { ...row, sequenceNumber: String(row['sequenceNumber']) } as StoredRecord;
      bytes += record.data.length;
      if (records.length > 0 && bytes > bytesMax) break;
      records.push(record);
    }
    return records;
  }

  /** Takes records off the log that are safe elsewhere. Their numbers are not given again. */
  remove(sequenceNumbers: readonly string[]): void {
    if (sequenceNumbers.length === 0) return;
    const statement = this.#database.prepare('DELETE FROM records WHERE sequenceNumber = ?');
    inTransaction(this.#database, () => {
      for (const sequenceNumber of sequenceNumbers) statement.run(Number(sequenceNumber));
    });
  }

  close(): void {
    this.#database.close();
  }

  /** The lock goes with the process, also when it is killed. */
  #lock(file: string): void {
    try {
      this.#database.exec('PRAGMA locking_mode=EXCLUSIVE; BEGIN IMMEDIATE; COMMIT');
    } catch (cause) {
      this.#database.close();
      if ((cause as { errcode?: number }).errcode === sqliteBusy) throw new StateInUse({ file, cause });
      throw cause;
    }
  }
}
