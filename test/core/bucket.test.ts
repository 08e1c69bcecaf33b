import { expect, it } from 'vitest';
import { bucketOf, bucketOfPartitionKey } from '../../core/bucket.ts';

it.each([
  { key: '0', bucket: 0 },
  { key: '15', bucket: 15 },
  // As no bucket's number is written: symbols, as of Hong Kong.
  { key: '0005', bucket: bucketOf('0005', 16) },
  { key: '16', bucket: bucketOf('16', 16) },
  { key: 'IBM', bucket: bucketOf('IBM', 16) },
  { key: '', bucket: bucketOf('', 16) },
])('the partition key "$key" of 16 buckets is of bucket $bucket', ({ key, bucket }) => {
  expect(bucketOfPartitionKey(key, 16)).toBe(bucket);
});

it('a bucket of a symbol is the same for every producer', () => {
  // FNV-1a, 32 bit: of '' it is 0x811c9dc5, of 'foobar' 0xbf9cf968. @see http://www.isthe.com/chongo/tech/comp/fnv/
  expect([bucketOf('', 2 ** 32), bucketOf('foobar', 2 ** 32)]).toEqual([0x811c9dc5, 0xbf9cf968]);
});
