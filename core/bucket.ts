/** The bucket of a symbol: FNV-1a (32 bit) over its UTF-8 bytes, modulo the count. Part of the tape's contract: producers compute it too. */
export function bucketOf(symbol: string, bucketCount: number): number {
  let hash = 0x811c9dc5;
  const mix = (byte: number) => {
    hash = Math.imul(hash ^ byte, 0x01000193);
  };
  for (const character of symbol) {
    const point = character.codePointAt(0) as number;
    if (point < 0x80) mix(point);
    else if (point < 0x800) {
      mix(0xc0 | (point >> 6));
      mix(0x80 | (point & 0x3f));
    } else if (point < 0x10000) {
      mix(0xe0 | (point >> 12));
      mix(0x80 | ((point >> 6) & 0x3f));
      mix(0x80 | (point & 0x3f));
    } else {
      mix(0xf0 | (point >> 18));
      mix(0x80 | ((point >> 12) & 0x3f));
      mix(0x80 | ((point >> 6) & 0x3f));
      mix(0x80 | (point & 0x3f));
    }
  }
  return (hash >>> 0) % bucketCount;
}

/**
 * Where the records of a bucket lie in the range of hashes that Kinesis deals out to shards: in the middle of an equal part. Part of the tape's
 * contract: producers give it as `ExplicitHashKey`, as one bucket must never lie in two shards at once.
 */
export function hashKeyOf(bucket: number, bucketCount: number): bigint {
  return ((2n * BigInt(bucket) + 1n) << 127n) / BigInt(bucketCount);
}

/** The bucket of a record: its partition key where that is a bucket's number as it is written, else the key's hash, so that a producer may put by symbol. */
export function bucketOfPartitionKey(partitionKey: string, bucketCount: number): number {
  const isBucket = /^(0|[1-9]\d{0,4})$/.test(partitionKey) && Number(partitionKey) < bucketCount;
  return isBucket ? Number(partitionKey) : bucketOf(partitionKey, bucketCount);
}
