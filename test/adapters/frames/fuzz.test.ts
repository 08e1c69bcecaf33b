import { crc32 } from 'node:zlib';
import { expect, it } from 'vitest';
import { decodeRecord } from '../../../adapters/frames/decode.ts';
import { BucketState } from '../../../core/bucket-state.ts';
import { advance } from '../../../core/consume.ts';
import { heldBytes } from '../../held-bytes.ts';
import { pipelineWith } from '../../core/support/pipelines.ts';
import { randomOf } from '../../core/support/stream.ts';
import { packed, startMs } from './reading.ts';
import { tries } from '../../tries.ts';

const inputs = tries(1_000_000, { part: 1 / 10 });
const neighbour = packed([{ symbol: 'GOOD', eventTimeMs: startMs, price: 1, size: 1 }]);

it(`reads ${inputs.toLocaleString('en')} spoiled records without an exception, keeps their neighbours and holds on to nothing`, {
  timeout: 300_000,
}, () => {
  const random = randomOf(20240102);
  const pipeline = pipelineWith({});
  let state = new BucketState(pipeline, 0);
  let sequence = 0;
  const heaps: number[] = [];
  const fold = (data: Uint8Array) =>
    advance(state, [decodeRecord({ sequenceNumber: String(++sequence), arrivalTimeMs: startMs, data }, 0)]);
  for (let i = 0; i < inputs; i++) {
    const { quarantined } = fold(spoiled(random));
    for (const { sample } of quarantined) expect(Buffer.byteLength(sample)).toBeLessThanOrEqual(3 * 200);
    if (i % 10 === 0) {
      const before = state.counts.trades;
      fold(neighbour);
      expect(state.counts.trades).toBe(before + 1);
    }
    // Spoiled texts make new symbols, which a state keeps.
    if (i % 5_000 === 0) {
      state = new BucketState(pipeline, 0);
      heaps.push(heldBytes());
    }
  }
  const settled = heaps.slice(Math.floor(heaps.length / 4));
  expect((settled.at(-1) as number) - (settled[0] as number)).toBeLessThan(8 * 1024 * 1024);
});

const seeds: readonly Uint8Array[] = [
  packed(
    [
      { symbol: 'IBM', eventTimeMs: startMs, price: 181.85, size: 100, tradeId: '17' },
      { symbol: 'MSFT', eventTimeMs: startMs + 1, price: 2, size: 3, tradeId: 'x', conditions: ['I'] },
      startMs + 2,
    ],
    { producerSequence: 7 },
  ),
  packed([{ symbol: 'Ž', eventTimeMs: startMs, price: 1, size: 1 }]),
  packed([]),
  // More than one glance of the decoder, and more than makes it remember the dictionary.
  ...[300, 1_100].map((count) =>
    packed(
      Array.from({ length: count }, (_, i) => ({
        symbol: `S${i % 40}`,
        eventTimeMs: startMs + i,
        price: 1 + i,
        size: 1,
        conditions: ['@'],
      })),
    ),
  ),
  Buffer.from(
    `{"symbol":"IBM","eventTimeMs":${startMs},"price":181.85,"size":100,"tradeId":"17","conditions":["@"]}\n{"heartbeatMs":${startMs}}`,
  ),
  Buffer.from(`[{"symbol":"A\\u0041","eventTimeMs":${startMs},"price":"1e2","size":1},{"symbol":"B"}]`),
  Buffer.from(`{\n  "symbol": "IBM",\n  "eventTimeMs": ${startMs},\n  "price": 1,\n  "size": 1\n}`),
];

/** The large ones seldom: they take as long as a hundred others. */
function pickSeed(random: () => number): Uint8Array {
  const isAny = random() < 0.02;
  const some = seeds.filter(({ length }) => isAny || length < 1_000);
  return some[Math.floor(random() * some.length)] as Uint8Array;
}

/** A good record with some of its bytes changed, cut, doubled or mixed with another; half the packed ones get their checksum right again. */
function spoiled(random: () => number): Uint8Array {
  const pick = (count: number) => Math.floor(random() * count);
  let bytes = Buffer.from(pickSeed(random));
  for (let changes = pick(5); changes >= 0; changes--) {
    const at = pick(bytes.length + 1);
    const kind = pick(7);
    if (kind === 0) bytes.fill(pick(256), at, Math.min(bytes.length, at + 1));
    else if (kind === 1) bytes = bytes.subarray(0, at);
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([pick(256)]), bytes.subarray(at)]);
    else if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + pick(9)))]);
    else if (kind === 4) bytes = Buffer.concat([bytes.subarray(0, at), pickSeed(random)]);
    else if (kind === 5) bytes = Buffer.concat([bytes, bytes.subarray(at)]);
    else bytes.fill([0, 0xff, 0x22, 0x7b, 0x7d, 0x5c, 0x80][pick(7)] as number, at, Math.min(bytes.length, at + pick(9)));
  }
  if (bytes.length >= 40 && bytes[0] === 0xf7 && random() < 0.5)
    bytes.writeUInt32LE(crc32(bytes.subarray(16), crc32(bytes.subarray(0, 12))), 12);
  return bytes;
}
