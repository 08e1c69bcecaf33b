import { createHash } from 'node:crypto';
import { type KinesisClient, ListShardsCommand, type Shard as ListedShard } from '@aws-sdk/client-kinesis';
import { hashKeyOf } from '../../core/bucket.ts';
import { isAfter } from '../../core/consume.ts';

/** A part of the stream: the records whose keys hash into a range, from when the shard was made until it was split or merged. */
export type Shard = {
  readonly shardId: string;
  readonly parentIds: readonly string[];
  readonly firstHash: bigint;
  readonly lastHash: bigint;
  /** Whether it takes records; else it was split or merged. */
  readonly isOpen: boolean;
  readonly firstSequenceNumber: string;
  /** Undefined while it is open, and where the service does not say: emulators give numbers that no record has. */
  readonly lastSequenceNumber: string | undefined;
};

/** All shards of a stream that still hold records, the closed ones too. */
export async function listShards(client: KinesisClient, StreamName: string): Promise<Shard[]> {
  const shards: Shard[] = [];
  let NextToken: string | undefined;
  do {
    const page = await client.send(new ListShardsCommand(NextToken === undefined ? { StreamName } : { NextToken }));
    shards.push(...(page.Shards ?? []).map(shardOf));
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  return shards;
}

/** Where Kinesis puts a record that comes without a hash key: the MD5 of its partition key as a number. */
export function hashOf(partitionKey: string): bigint {
  return BigInt(`0x${createHash('md5').update(partitionKey).digest('hex')}`);
}

export function holdsHash({ firstHash, lastHash }: Shard, hash: bigint): boolean {
  return firstHash <= hash && hash <= lastHash;
}

/**
 * Where a shard must be read from so that each of its buckets goes on behind its position: a sequence number, '' for the shard's start, or
 * undefined where all buckets are past its end. A bucket without a position has read nothing. A producer that gives no hash keys has its
 * buckets elsewhere, by their numbers.
 */
export function startOf(shard: Shard, bucketCount: number, positions: ReadonlyMap<number, string>): string | undefined {
  const inShard = Array.from({ length: bucketCount }, (_, bucket) => bucket).filter((bucket) =>
    [hashKeyOf(bucket, bucketCount), hashOf(String(bucket))].some((hash) => holdsHash(shard, hash)),
  );
  if (inShard.length === 0) return '';
  const { firstSequenceNumber, lastSequenceNumber } = shard;
  const open = inShard
    .map((bucket) => positions.get(bucket) ?? '')
    .filter((position) => lastSequenceNumber === undefined || isAfter(lastSequenceNumber, position));
  if (open.length === 0) return undefined;
  const least = open.reduce((least, position) => (isAfter(least, position) ? position : least));
  return isAfter(firstSequenceNumber, least) ? '' : least;
}

function shardOf({ ShardId, ParentShardId, AdjacentParentShardId, HashKeyRange, SequenceNumberRange }: ListedShard): Shard {
  const { StartingSequenceNumber: first = '', EndingSequenceNumber: last } = SequenceNumberRange ?? {};
  return {
    shardId: ShardId as string,
    parentIds: [ParentShardId, AdjacentParentShardId].filter((id) => id !== undefined),
    firstHash: BigInt(HashKeyRange?.StartingHashKey ?? 0),
    lastHash: BigInt(HashKeyRange?.EndingHashKey ?? 0),
    isOpen: last === undefined,
    firstSequenceNumber: first,
    lastSequenceNumber: last !== undefined && isAfter(first, last) ? undefined : last,
  };
}
