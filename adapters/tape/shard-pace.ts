import { holdsHash, type Shard } from './kinesis-shards.ts';

/**
 * What a shard takes in a second.
 * @see https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
 */
const shardMaxASecond = { bytes: 1024 * 1024, records: 1_000 };
/** A shard takes as much at once as in a second, if it was quiet before. */
const burstMs = 1_000;

/** Keeps a writer below what each shard takes, so that a long recording does not run into throttles all the way. */
export class ShardPace {
  #shards: readonly Shard[] = [];
  readonly #shardIdOfKey = new Map<bigint, string>();
  /** When a shard has worked off all that it was given. */
  readonly #freeAtMs = new Map<string, number>();

  /** Shards that are closed take nothing. Without shards there is no pace. */
  learn(shards: readonly Shard[]): void {
    this.#shards = shards.filter(({ isOpen }) => isOpen);
    this.#shardIdOfKey.clear();
  }

  /** How long a record has to wait; 0 for not at all. */
  waitMs(hashKey: bigint, bytes: number, nowMs: number): number {
    const freeAtMs = this.#freeAtMs.get(this.#shardIdOf(hashKey)) ?? 0;
    return Math.max(0, freeAtMs + costMs(bytes) - burstMs - nowMs);
  }

  /** Counts a record that goes out now. */
  take(hashKey: bigint, bytes: number, nowMs: number): void {
    const shardId = this.#shardIdOf(hashKey);
    if (shardId === '') return;
    this.#freeAtMs.set(shardId, Math.max(this.#freeAtMs.get(shardId) ?? 0, nowMs) + costMs(bytes));
  }

  /** '' while no shard is known. */
  #shardIdOf(hashKey: bigint): string {
    const known = this.#shardIdOfKey.get(hashKey);
    if (known !== undefined) return known;
    const shardId = this.#shards.find((shard) => holdsHash(shard, hashKey))?.shardId ?? '';
    this.#shardIdOfKey.set(hashKey, shardId);
    return shardId;
  }
}

function costMs(bytes: number): number {
  return 1_000 * Math.max(bytes / shardMaxASecond.bytes, 1 / shardMaxASecond.records);
}
