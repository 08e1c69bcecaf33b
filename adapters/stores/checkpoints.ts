import type { LinkedSignal } from '../../core/signal.ts';

/** A bucket's state as it was last saved. */
export type Checkpoint = {
  readonly bucket: number;
  /** Counts the commits of this bucket, from 1. */
  readonly version: number;
  /** The last record that the state covers. */
  readonly sequenceNumber: string;
  readonly state: Uint8Array;
};

export type Commit = {
  readonly bucket: number;
  /** The version that the new state was made from; 0 for none. */
  readonly expectedVersion: number;
  readonly sequenceNumber: string;
  readonly state: Uint8Array;
  /** They go to the outbox in the same transaction; may be empty. */
  readonly signals: readonly LinkedSignal[];
};

/** All signals of one commit of one bucket, waiting to be published. */
export type OutboxItem = { readonly bucket: number; readonly version: number; readonly signals: readonly LinkedSignal[] };

/**
 * Where buckets' states and their signals wait. A commit is atomic for its bucket, and fails when somebody else has committed since: the
 * fence against zombies and repeated batches. The same suite (`test/adapters/stores/contract.ts`) runs against every implementation.
 */
export interface CheckpointStore {
  /** The latest checkpoint of each of these buckets that has one. */
  load(buckets: readonly number[]): Promise<Checkpoint[]>;
  /** Saves what it can, then throws `CheckpointConflict` with the buckets that were not saved. */
  commit(commits: readonly Commit[]): Promise<void>;
  /** The oldest items, in order of version within a bucket. */
  readOutbox(limit: number): Promise<OutboxItem[]>;
  /** Removing what is not there changes nothing. */
  removeFromOutbox(items: readonly OutboxItem[]): Promise<void>;
}
