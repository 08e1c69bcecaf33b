import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Quarantined } from '../../core/reasons.ts';

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

/** The durable log of a laptop: one SQLite file, on the disk when `append` returns. */
export class SqliteTape implements TapeReader {
  readonly #database: DatabaseSync;
  readonly #select: StatementSync;

  constructor(file: string, { readOnly = false }: { readonly readOnly?: boolean } = {}) {
    this.#database = new DatabaseSync(file, { readOnly });
    if (!readOnly) this.#database.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; ${schema}`);
    this.#select = this.#database.prepare(
      'SELECT sequenceNumber, shardId, partitionKey, arrivalTimeMs, data FROM records WHERE shardId = ? AND sequenceNumber > ? ORDER BY sequenceNumber LIMIT ?',
    );
  }

  /** All of it or nothing. `quarantined` are lines of the feed that became no trade. */
  append(records: readonly NewRecord[], sources: readonly SourceState[], quarantined: readonly Quarantined[]): void {
    const insertRecord = this.#database.prepare('INSERT INTO records (shardId, partitionKey, arrivalTimeMs, data) VALUES (?, ?, ?, ?)');
    const insertQuarantined = this.#database.prepare('INSERT OR IGNORE INTO quarantine VALUES (?, ?, ?)');
    const insertSource = this.#database.prepare('INSERT OR REPLACE INTO sources VALUES (?, ?)');
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      for (const { shardId, partitionKey, arrivalTimeMs, data } of records) insertRecord.run(shardId, partitionKey, arrivalTimeMs, data);
      for (const { position, reason, sample } of quarantined) insertQuarantined.run(position, reason, sample);
      for (const { source, state } of sources) insertSource.run(source, state);
      this.#database.exec('COMMIT');
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
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
    return this.#database
      .prepare('SELECT DISTINCT shardId FROM records ORDER BY shardId')
      .all()
      .map((row) => String(row['shardId']));
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

  /** Whether the tape holds anything behind a sequence number. */
  lastSequenceNumber(): string {
    return String(this.#database.prepare('SELECT max(sequenceNumber) AS last FROM records').get()?.['last'] ?? '');
  }

  close(): void {
    this.#database.close();
  }
}
