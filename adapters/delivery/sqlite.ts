import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Batch } from '../../core/delivery.ts';
import { deliveryIdOf, isFromBefore } from '../../core/delivery-lane.ts';
import { type EndpointState, healthy } from '../../core/endpoint-state.ts';
import type { Signal } from '../../core/signal.ts';
import { inTransaction } from '../sqlite-transaction.ts';
import {
  type Claim,
  type ClaimRequest,
  type Claims,
  type DeadLetter,
  type DeliveryCounts,
  type DeliveryStore,
  deadLettersKeptMs,
  type NewDeliveries,
  rememberedMs,
  type Settlement,
  type WaitingLane,
} from './store.ts';

/**
 * `known` has every signal that an endpoint was given and what became of it; `pending` has those that wait, and `lanes` what is to be known
 * of each lane that has some. `head` is what a lane's attempts are about: it does not change when more signals come. It is
 * an empty list from when an earlier signal was put back until the next claim.
 */
const schema = `
  CREATE TABLE IF NOT EXISTS known (endpoint TEXT, signalId TEXT, fate TEXT NOT NULL, expiresAtMs INTEGER, PRIMARY KEY (endpoint, signalId)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS knownByExpiry ON known (expiresAtMs) WHERE expiresAtMs IS NOT NULL;
  CREATE TABLE IF NOT EXISTS pending (endpoint TEXT, lane TEXT, windowEndMs INTEGER, signalId TEXT, signal TEXT NOT NULL, PRIMARY KEY (endpoint, lane, windowEndMs, signalId)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS lanes (endpoint TEXT, lane TEXT, dueAtMs INTEGER NOT NULL, signals INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, head TEXT, reason TEXT, PRIMARY KEY (endpoint, lane)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS lanesByDue ON lanes (endpoint, dueAtMs);
  CREATE TABLE IF NOT EXISTS dead (endpoint TEXT, deliveryId TEXT, lane TEXT NOT NULL, signals TEXT NOT NULL, attempts INTEGER NOT NULL, reason TEXT NOT NULL, diedAtMs INTEGER NOT NULL, PRIMARY KEY (endpoint, deliveryId)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS endpoints (endpoint TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
`;

const statements = {
  remember: 'INSERT INTO known VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
  setFate: 'UPDATE known SET fate = ?, expiresAtMs = ? WHERE endpoint = ? AND signalId = ?',
  addPending: 'INSERT INTO pending VALUES (?, ?, ?, ?, ?)',
  // A lane that retries keeps its time; one that gathers a batch is due when that is full.
  addToLane: `INSERT INTO lanes (endpoint, lane, dueAtMs, signals) VALUES (:endpoint, :lane, :dueAtMs, :count) ON CONFLICT DO UPDATE SET
    signals = signals + excluded.signals,
    dueAtMs = iif(attempts = 0 AND signals + excluded.signals >= :signalsMax, min(dueAtMs, :nowMs), dueAtMs)`,
  lanesByDue: 'SELECT lane, dueAtMs, signals, attempts, head, reason FROM lanes WHERE endpoint = ? ORDER BY dueAtMs, lane LIMIT ?',
  // Batches come first by name, and there is one lane of them: if there are both kinds, these are of both.
  twoLanes: 'SELECT lane FROM lanes WHERE endpoint = ? ORDER BY lane LIMIT 2',
  firstPending: 'SELECT signal FROM pending WHERE endpoint = ? AND lane = ? ORDER BY windowEndMs, signalId LIMIT ?',
  onePending: 'SELECT signal FROM pending WHERE endpoint = ? AND lane = ? AND windowEndMs = ? AND signalId = ?',
  setHead: 'UPDATE lanes SET head = ? WHERE endpoint = ? AND lane = ? AND head IS ?',
  removePending: 'DELETE FROM pending WHERE endpoint = ? AND lane = ? AND windowEndMs = ? AND signalId = ?',
  takeFromLane: `UPDATE lanes SET signals = signals - :count, attempts = 0, head = NULL, reason = NULL,
    dueAtMs = iif(signals - :count >= :signalsMax OR head = '[]', :nowMs, :nowMs + :waitMs) WHERE endpoint = :endpoint AND lane = :lane`,
  removeEmptyLane: 'DELETE FROM lanes WHERE endpoint = ? AND lane = ? AND signals = 0',
  failLane: "UPDATE lanes SET attempts = ?, dueAtMs = ?, reason = ?, head = ? WHERE endpoint = ? AND lane = ? AND head IS NOT '[]'",
  beginAnew: `UPDATE lanes SET attempts = 0, dueAtMs = min(dueAtMs, :nowMs), reason = NULL, head = '[]' WHERE endpoint = :endpoint AND lane = :lane
    AND (ifnull(head, '[]') = '[]' OR (:windowEndMs, :signalId) < (head ->> '$[0].windowEndMs', head ->> '$[0].signalId'))`,
  bury: 'INSERT OR REPLACE INTO dead VALUES (?, ?, ?, ?, ?, ?, ?)',
  unbury: 'DELETE FROM dead WHERE endpoint = ? AND deliveryId = ? AND diedAtMs = ?',
  release: 'UPDATE lanes SET dueAtMs = :nowMs WHERE endpoint = :endpoint AND attempts > 0 AND dueAtMs > :nowMs',
  state: 'SELECT state FROM endpoints WHERE endpoint = ?',
  setState: 'INSERT OR REPLACE INTO endpoints VALUES (?, ?)',
  endpoints: 'SELECT endpoint FROM known UNION SELECT endpoint FROM endpoints ORDER BY endpoint',
  counts: 'SELECT fate, count(*) AS count FROM known WHERE endpoint = ? GROUP BY fate',
  deadLetters: 'SELECT * FROM dead WHERE endpoint = ? ORDER BY diedAtMs, deliveryId LIMIT ?',
  expiredDead: 'SELECT * FROM dead WHERE diedAtMs <= ?',
  removeExpired: 'DELETE FROM known WHERE expiresAtMs <= ?',
} as const;

type Place = { readonly windowEndMs: number; readonly signalId: string };
type LaneRow = WaitingLane & { readonly head: string | null };
type Lease = { readonly claimId: string; readonly untilMs: number };

/**
 * Deliveries in one SQLite file, or in memory under the name `:memory:`. Others may look in and requeue at the same time, but claims are known
 * to this object alone: who sends from a file must be the only one.
 */
export class SqliteDeliveries implements DeliveryStore {
  readonly #database: DatabaseSync;
  readonly #sql: Readonly<Record<keyof typeof statements, StatementSync>>;
  /** By endpoint and lane. */
  readonly #leases = new Map<string, Map<string, Lease>>();
  #claimCount = 0;

  constructor(file: string) {
    this.#database = new DatabaseSync(file, { timeout: 5_000 });
    this.#database.exec(`PRAGMA journal_mode=WAL; BEGIN IMMEDIATE; ${schema} COMMIT`);
    const prepared = Object.entries(statements).map(([name, sql]) => [name, this.#database.prepare(sql)]);
    this.#sql = Object.fromEntries(prepared) as Record<keyof typeof statements, StatementSync>;
  }

  /** Another number when somebody else has changed the file. */
  get versionByOthers(): number {
    return Number(this.#database.prepare('PRAGMA data_version').get()?.['data_version']);
  }

  close(): void {
    this.#database.close();
  }

  async enqueue(deliveries: readonly NewDeliveries[], nowMs: number): Promise<number> {
    return this.#transaction('on the disk', () => deliveries.reduce((count, each) => count + this.#enqueueOne(each, nowMs), 0));
  }

  async drop(endpoint: string, signals: readonly Signal[], nowMs: number): Promise<number> {
    return this.#transaction('on the disk', () => {
      const added = signals.filter(
        ({ signalId }) => this.#sql.remember.run(endpoint, signalId, 'dropped', nowMs + rememberedMs).changes > 0,
      );
      return added.length;
    });
  }

  async claim({ endpoint, batch, lanesMax, nowMs, leaseMs, isProbe = false }: ClaimRequest): Promise<Claims> {
    const leases = this.#leasesOf(endpoint);
    const free = this.#lanesByDue(endpoint, batch, lanesMax + leases.size + 1).filter(
      ({ lane }) => (leases.get(lane)?.untilMs ?? nowMs) <= nowMs,
    );
    const isLate = ({ dueAtMs, attempts }: LaneRow) => dueAtMs <= nowMs || (isProbe && attempts > 0);
    const due = free.filter(isLate).slice(0, lanesMax);
    const claims = due.map((row): Claim => {
      const claimId = String(++this.#claimCount);
      leases.set(row.lane, { claimId, untilMs: nowMs + leaseMs });
      const signals = this.#headOf(endpoint, row, batch.signalsMax);
      const { lane, attempts } = row;
      return { endpoint, lane, claimId, batch, signals, attempts, isProbe: row.dueAtMs > nowMs };
    });
    return { claims, nextDueAtMs: free.find((row) => !due.includes(row))?.dueAtMs };
  }

  async settle(settlements: readonly Settlement[]): Promise<void> {
    const current = settlements.filter(({ claim }) => this.#leasesOf(claim.endpoint).get(claim.lane)?.claimId === claim.claimId);
    // Who is killed before this is on the disk sends again, with the same id.
    this.#transaction('in the system', () => {
      for (const settlement of current) this.#settleOne(settlement);
    });
    for (const { claim } of current) this.#leasesOf(claim.endpoint).delete(claim.lane);
  }

  async release(endpoint: string, nowMs: number): Promise<void> {
    this.#sql.release.run({ endpoint, nowMs });
  }

  async endpointState(endpoint: string): Promise<EndpointState> {
    return this.#stateOf(endpoint);
  }

  async changeEndpoint(endpoint: string, change: (state: EndpointState) => EndpointState): Promise<EndpointState> {
    return this.#transaction('in the system', () => {
      const state = change(this.#stateOf(endpoint));
      this.#sql.setState.run(endpoint, JSON.stringify(state));
      return state;
    });
  }

  async endpoints(): Promise<string[]> {
    return this.#sql.endpoints.all().map((row) => String(row['endpoint']));
  }

  async countsOf(endpoint: string): Promise<DeliveryCounts> {
    const byFate = Object.fromEntries(this.#sql.counts.all(endpoint).map((row) => [String(row['fate']), Number(row['count'])]));
    return { pending: 0, dead: 0, delivered: 0, dropped: 0, ...byFate };
  }

  async waitingLanes(endpoint: string, limit: number): Promise<WaitingLane[]> {
    const rows = this.#sql.lanesByDue.all(endpoint, limit) as LaneRow[];
    return rows.map(({ head: _, reason, ...lane }) => ({ ...lane, reason: reason ?? undefined }));
  }

  async deadLetters(endpoint: string, limit: number): Promise<DeadLetter[]> {
    return this.#sql.deadLetters.all(endpoint, limit).map(deadLetterOf);
  }

  async requeue(letters: readonly DeadLetter[], { batch, nowMs }: Parameters<DeliveryStore['requeue']>[1]): Promise<number> {
    return this.#transaction('on the disk', () => {
      const open = letters.filter(({ endpoint, deliveryId, diedAtMs }) => this.#sql.unbury.run(endpoint, deliveryId, diedAtMs).changes > 0);
      for (const { endpoint, lane, signals } of open) {
        for (const { signalId } of signals) this.#sql.setFate.run('pending', null, endpoint, signalId);
        this.#addPending({ endpoint, lane, signals, batch }, nowMs);
        const { windowEndMs, signalId } = signals[0] as Signal;
        this.#sql.beginAnew.run({ endpoint, lane, windowEndMs, signalId, nowMs });
      }
      return open.reduce((count, { signals }) => count + signals.length, 0);
    });
  }

  async removeExpired(nowMs: number): Promise<void> {
    this.#transaction('in the system', () => {
      for (const { endpoint, deliveryId, signals, diedAtMs } of this.#sql.expiredDead.all(nowMs - deadLettersKeptMs).map(deadLetterOf)) {
        this.#sql.unbury.run(endpoint, deliveryId, diedAtMs);
        for (const { signalId } of signals) this.#sql.setFate.run('dead', nowMs, endpoint, signalId);
      }
      this.#sql.removeExpired.run(nowMs);
    });
  }

  #lanesByDue(endpoint: string, batch: Batch, limit: number): LaneRow[] {
    const isFirst = ({ lane }: Pick<LaneRow, 'lane'>) => isFromBefore(lane, batch);
    if (!(this.#sql.twoLanes.all(endpoint) as LaneRow[]).some(isFirst)) return this.#sql.lanesByDue.all(endpoint, limit) as LaneRow[];
    return (this.#sql.lanesByDue.all(endpoint, -1) as LaneRow[]).filter(isFirst);
  }

  #enqueueOne(deliveries: NewDeliveries, nowMs: number): number {
    const { endpoint } = deliveries;
    const signals = deliveries.signals.filter(({ signalId }) => this.#sql.remember.run(endpoint, signalId, 'pending', null).changes > 0);
    if (signals.length > 0) this.#addPending({ ...deliveries, signals }, nowMs);
    return signals.length;
  }

  #addPending({ endpoint, lane, signals, batch: { signalsMax, waitMs } }: NewDeliveries, nowMs: number): void {
    for (const signal of signals) this.#sql.addPending.run(endpoint, lane, signal.windowEndMs, signal.signalId, JSON.stringify(signal));
    const count = signals.length;
    const dueAtMs = count >= signalsMax ? nowMs : nowMs + waitMs;
    this.#sql.addToLane.run({ endpoint, lane, dueAtMs, count, signalsMax, nowMs });
  }

  #headOf(endpoint: string, { lane, head }: LaneRow, signalsMax: number): Signal[] {
    const places = JSON.parse(head ?? '[]') as Place[];
    if (places.length > 0)
      return places.map(({ windowEndMs, signalId }) => signalOf(this.#sql.onePending.get(endpoint, lane, windowEndMs, signalId)));
    const signals = this.#sql.firstPending.all(endpoint, lane, signalsMax).map(signalOf);
    // What one attempt has sent together, the next must too, whatever comes in between.
    if (signalsMax > 1 || head !== null) this.#sql.setHead.run(placesOf(signals), endpoint, lane, head);
    return signals;
  }

  #settleOne(settlement: Settlement): void {
    const { claim, nowMs, kind } = settlement;
    const { endpoint, lane, signals } = claim;
    if (kind === 'failed') {
      this.#sql.failLane.run(settlement.attempts, settlement.dueAtMs, settlement.reason, placesOf(signals), endpoint, lane);
    } else if (kind !== 'released') {
      const expiresAtMs = kind === 'delivered' ? nowMs + rememberedMs : null;
      for (const { signalId } of signals) this.#sql.setFate.run(kind, expiresAtMs, endpoint, signalId);
      if (kind === 'dead')
        this.#sql.bury.run(endpoint, deliveryIdOf(signals), lane, JSON.stringify(signals), settlement.attempts, settlement.reason, nowMs);
      this.#take(claim, nowMs);
    }
  }

  #take({ endpoint, lane, signals, batch: { signalsMax, waitMs } }: Claim, nowMs: number): void {
    for (const { windowEndMs, signalId } of signals) this.#sql.removePending.run(endpoint, lane, windowEndMs, signalId);
    this.#sql.takeFromLane.run({ endpoint, lane, count: signals.length, signalsMax, waitMs, nowMs });
    this.#sql.removeEmptyLane.run(endpoint, lane);
  }

  #leasesOf(endpoint: string): Map<string, Lease> {
    const leases = this.#leases.get(endpoint) ?? new Map<string, Lease>();
    this.#leases.set(endpoint, leases);
    return leases;
  }

  #stateOf(endpoint: string): EndpointState {
    const row = this.#sql.state.get(endpoint);
    return row === undefined ? healthy : (JSON.parse(String(row['state'])) as EndpointState);
  }

  /** `in the system` outlives the process; `on the disk` a power cut too. */
  #transaction<T>(safe: 'in the system' | 'on the disk', work: () => T): T {
    this.#database.exec(`PRAGMA synchronous=${safe === 'on the disk' ? 'FULL' : 'NORMAL'}`);
    return inTransaction(this.#database, work);
  }
}

type Row = Readonly<Record<string, unknown>>;

function signalOf(row: Row | undefined): Signal {
  return JSON.parse(String(row?.['signal'])) as Signal;
}

function deadLetterOf(row: Row): DeadLetter {
  return { ...(row as DeadLetter), signals: JSON.parse(String(row['signals'])) as Signal[] };
}

function placesOf(signals: readonly Signal[]): string {
  return JSON.stringify(signals.map(({ windowEndMs, signalId }): Place => ({ windowEndMs, signalId })));
}
