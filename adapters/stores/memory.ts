import { CheckpointConflict } from './errors.ts';
import type { Checkpoint, CheckpointStore, Commit, OutboxItem } from './checkpoints.ts';

/** Checkpoints that live as long as the process: for tests and for embedding. */
export class MemoryCheckpoints implements CheckpointStore {
  readonly #checkpoints = new Map<number, Checkpoint>();
  #outbox: OutboxItem[] = [];

  async load(buckets: readonly number[]): Promise<Checkpoint[]> {
    return buckets.flatMap((bucket) => this.#checkpoints.get(bucket) ?? []);
  }

  async commit(commits: readonly Commit[]): Promise<void> {
    const conflicts = commits.filter((commit) => !this.#commitOne(commit));
    if (conflicts.length > 0) throw new CheckpointConflict({ buckets: conflicts.map(({ bucket }) => bucket) });
  }

  async readOutbox(limit: number): Promise<OutboxItem[]> {
    return this.#outbox.slice(0, limit);
  }

  async removeFromOutbox(items: readonly OutboxItem[]): Promise<void> {
    const removed = new Set(items.map(({ bucket, version }) => `${bucket}/${version}`));
    this.#outbox = this.#outbox.filter(({ bucket, version }) => !removed.has(`${bucket}/${version}`));
  }

  #commitOne({ bucket, expectedVersion, sequenceNumber, state, signals }: Commit): boolean {
    if ((this.#checkpoints.get(bucket)?.version ?? 0) !== expectedVersion) return false;
    const version = expectedVersion + 1;
    this.#checkpoints.set(bucket, { bucket, version, sequenceNumber, state: state.slice() });
    if (signals.length > 0) this.#outbox.push({ bucket, version, signals: [...signals] });
    return true;
  }
}
