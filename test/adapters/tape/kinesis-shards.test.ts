import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashOf, holdsHash, type Shard, startOf } from '../../../adapters/tape/kinesis-shards.ts';
import { ShardPace } from '../../../adapters/tape/shard-pace.ts';
import { hashKeyOf } from '../../../core/bucket.ts';
import { pageNamed, tableOf } from '../../docs/pages.ts';

const hashMax = 2n ** 128n - 1n;
const whole = (shard: Partial<Shard>): Shard => ({
  shardId: 'shard-0',
  parentIds: [],
  firstHash: 0n,
  lastHash: hashMax,
  isOpen: true,
  firstSequenceNumber: '1000',
  lastSequenceNumber: undefined,
  ...shard,
});
const half = { low: { firstHash: 0n, lastHash: hashMax / 2n }, high: { firstHash: hashMax / 2n + 1n, lastHash: hashMax } };

describe('where a shard is read from', () => {
  // Of six buckets 0 to 2 are in the low half by their hash keys; by the MD5 of their numbers all are in the high one.
  const cases: [string, Partial<Shard>, number, Record<number, string>, string | undefined][] = [
    ['its start, while a bucket has read nothing', {}, 2, { 0: '1500' }, ''],
    ['its start, when it has no bucket: a key may be something else', { firstHash: 0n, lastHash: 0n }, 1, { 0: '1500' }, ''],
    ['behind the least that its buckets have read', {}, 2, { 0: '1500', 1: '999999' }, '1500'],
    ['its start, when a bucket was last read in a shard before', {}, 2, { 0: '999', 1: '1500' }, ''],
    [
      'nowhere, when all of its buckets were read in shards behind',
      { isOpen: false, lastSequenceNumber: '2000' },
      2,
      { 0: '2000', 1: '3000' },
      undefined,
    ],
    [
      'behind the least of the buckets that have not passed it',
      { isOpen: false, lastSequenceNumber: '2000' },
      2,
      { 0: '3000', 1: '1700' },
      '1700',
    ],
    ['for its own buckets only', half.low, 6, { 0: '1500', 1: '1600', 2: '1700', 3: '1400', 4: '1300', 5: '1200' }, '1500'],
    [
      'for those too that a producer without hash keys has put there',
      half.high,
      6,
      { 0: '1100', 1: '1600', 2: '1700', 3: '1800', 4: '1900', 5: '2000' },
      '1100',
    ],
    ['behind the least, when it is closed and nobody says where', { isOpen: false }, 2, { 0: '5000', 1: '6000' }, '5000'],
  ];
  it.each(cases)('%s', (_, shard, bucketCount, positions, start) => {
    expect(startOf(whole(shard), bucketCount, new Map(Object.entries(positions).map(([bucket, at]) => [Number(bucket), at])))).toBe(start);
  });

  it('goes by the MD5 of the key as a number', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (key) => {
        expect(hashOf(key).toString(16).padStart(32, '0')).toBe(createHash('md5').update(key, 'utf8').digest('hex'));
      }),
    );
  });
});

describe('where the buckets lie', () => {
  it('is even, for any number of buckets in any number of shards of one size', () => {
    const counts = fc.record({ bucketCount: fc.integer({ min: 1, max: 1_024 }), shardCount: fc.integer({ min: 1, max: 64 }) });
    fc.assert(
      fc.property(counts, ({ bucketCount, shardCount }) => {
        const size = 2n ** 128n / BigInt(shardCount);
        const shards = Array.from({ length: shardCount }, (_, i) => {
          const firstHash = BigInt(i) * size;
          return whole({ firstHash, lastHash: i === shardCount - 1 ? hashMax : firstHash + size - 1n });
        });
        const held = shards.map(
          (shard) => buckets(bucketCount).filter((bucket) => holdsHash(shard, hashKeyOf(bucket, bucketCount))).length,
        );
        expect(held.reduce((sum, count) => sum + count, 0)).toBe(bucketCount);
        expect(Math.max(...held) - Math.min(...held)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 30, examples: [[{ bucketCount: 16, shardCount: 2 }], [{ bucketCount: 64, shardCount: 4 }]] },
    );
  });

  it('is what producers of other makers read', () => {
    const rows = tableOf(pageNamed('docs/feed-the-stream.md'), 'bucket of 16', 'hash key');
    expect(rows.length).toBeGreaterThan(2);
    for (const [bucket, hashKey] of rows) expect(hashKey).toBe(String(hashKeyOf(Number(bucket), 16)));
  });
});

describe('the pace of a shard', () => {
  const puts = fc.array(
    fc.record({
      key: fc.nat(7).map((bucket) => hashKeyOf(bucket, 8)),
      bytes: fc.oneof(fc.nat(300), fc.nat(1_000_000)),
      passesMs: fc.nat(300),
    }),
    {
      minLength: 1,
      maxLength: 60,
    },
  );

  it('lets through in no stretch of time more than the shard takes in it, and one second ahead', () => {
    fc.assert(
      fc.property(puts, (puts) => {
        const pace = new ShardPace();
        const shards = [whole({ ...half.low, shardId: 'low' }), whole({ ...half.high, shardId: 'high' })];
        pace.learn([...shards, whole({ shardId: 'closed', isOpen: false })]);
        const taken: { atMs: number; bytes: number; shardId: string }[] = [];
        let nowMs = 1_700_000_000_000;
        for (const { key, bytes, passesMs } of puts) {
          nowMs += passesMs;
          nowMs += pace.waitMs(key, bytes, nowMs);
          expect(pace.waitMs(key, bytes, nowMs)).toBeLessThan(0.001);
          pace.take(key, bytes, nowMs);
          taken.push({ atMs: nowMs, bytes, shardId: key > half.low.lastHash ? 'high' : 'low' });
        }
        for (const [i, { atMs: fromMs, shardId }] of taken.entries()) {
          let bytes = 0;
          let records = 0;
          for (const put of taken.slice(i)) {
            if (put.shardId !== shardId) continue;
            bytes += put.bytes;
            records++;
            const seconds = (put.atMs - fromMs) / 1_000 + 1.001;
            expect(bytes).toBeLessThanOrEqual(seconds * 1024 * 1024);
            expect(records).toBeLessThanOrEqual(seconds * 1_000);
          }
        }
      }),
    );
  });

  it('does not make one shard wait for another', () => {
    const pace = new ShardPace();
    pace.learn([whole({ ...half.low, shardId: 'low' }), whole({ ...half.high, shardId: 'high' })]);
    const [low, high] = [half.low.firstHash, half.high.firstHash];
    for (let i = 0; i < 3; i++) pace.take(low, 1_000_000, 0);
    expect([pace.waitMs(low, 1_000_000, 0) > 2_000, pace.waitMs(high, 1_000_000, 0)]).toEqual([true, 0]);
  });

  it('does not wait while no shard is known', () => {
    const pace = new ShardPace();
    for (let i = 0; i < 100; i++) pace.take(0n, 1_000_000, 0);
    expect(pace.waitMs(0n, 1_000_000, 0)).toBe(0);
  });
});

function buckets(count: number): number[] {
  return Array.from({ length: count }, (_, bucket) => bucket);
}
