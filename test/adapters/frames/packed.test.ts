import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSymbol } from '../../../adapters/feeds/trade-fields.ts';
import { encodePacked, frameBytesMax } from '../../../adapters/frames/packed.ts';
import { type Frame, FrameBuilder, heartbeatIndex } from '../../../core/frame.ts';
import type { FrameReason, LineReason } from '../../../core/reasons.ts';
import { amountMax, amountMin, eventTimeMaxMs, type Trade, TradeBatch } from '../../../core/trade.ts';
import { entriesOf, frameOf, packed, readRecord, startMs } from './reading.ts';
import { tries } from '../../tries.ts';

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 });
const symbolText = text.filter(isSymbol);
const amount = fc.double({ min: amountMin, max: amountMax, noNaN: true });
const trade: fc.Arbitrary<Trade> = fc
  .record(
    {
      symbol: fc.oneof(fc.constantFrom('IBM', 'MSFT', '"', '\\'), symbolText),
      eventTimeMs: fc.integer({ min: startMs - 2 ** 30, max: startMs + 2 ** 30 }),
      price: amount,
      size: amount,
      tradeId: fc.oneof(
        fc.maxSafeNat().map(String),
        text.filter((id) => !/^\d+$/.test(id)),
        fc.constant('007'),
      ),
      conditions: fc.array(fc.constantFrom('@', 'I', 'T', 'π'), { minLength: 1, maxLength: 3 }),
    },
    { requiredKeys: ['symbol', 'eventTimeMs', 'price', 'size'] },
  )
  .map((fields) => ({ ...fields }) as Trade);

/** Trades that all lack what the form leaves out, as most frames' do. */
const form = fc.record({ hasWholeSizes: fc.boolean(), hasConditions: fc.boolean(), hasIds: fc.boolean() });
const entries = fc
  .tuple(form, fc.array(fc.oneof({ arbitrary: trade, weight: 9 }, { arbitrary: fc.constant(startMs), weight: 1 }), { maxLength: 60 }))
  .map(([{ hasWholeSizes, hasConditions, hasIds }, made]) =>
    made.map((entry) => {
      if (typeof entry === 'number') return entry;
      const { tradeId, conditions, ...fields } = entry;
      const size = hasWholeSizes ? 1 + (Math.round(entry.price) % (2 ** 32 - 1)) : entry.size;
      return { ...fields, size, ...(hasIds && tradeId && { tradeId }), ...(hasConditions && conditions && { conditions }) };
    }),
  );

const good: readonly Trade[] = [
  { symbol: 'IBM', eventTimeMs: startMs, price: 181.85, size: 100, tradeId: '17' },
  { symbol: 'MSFT', eventTimeMs: startMs + 5, price: 1, size: 0.5, tradeId: 'a-b', conditions: ['@', 'I'] },
  { symbol: 'IBM', eventTimeMs: startMs - 5, price: 181.86, size: 3 },
];

describe('a packed frame', () => {
  it('is read back as it was written, wherever its bytes lie', () => {
    fc.assert(
      fc.property(entries, fc.nat(9), (entries, shift) => {
        const frame = frameOf(entries);
        const written = entriesOf(frame);
        const bytes = encodePacked(frame);
        const moved = new Uint8Array(bytes.length + shift).subarray(shift);
        moved.set(bytes);
        const { trades, heartbeatsMs, rejected } = readRecord(moved);
        expect(rejected).toEqual([]);
        expect([trades, heartbeatsMs.length]).toEqual([
          written.filter((entry) => 'symbol' in entry),
          entries.filter((entry) => typeof entry === 'number').length,
        ]);
        expect(trades).toEqual(entries.filter((entry) => typeof entry !== 'number'));
      }),
    );
  });

  it.each<[bytesPerTrade: number, what: string, fields: Partial<Trade>]>([
    [18, 'of whole sizes', {}],
    [18, 'of the largest whole size', { size: 2 ** 32 - 1 }],
    [22, 'of sizes above it', { size: 2 ** 32 }],
    [22, 'of sizes that are no whole numbers', { size: 0.5 }],
    [26, 'with trade ids', { tradeId: '17' }],
    [19, 'with conditions', { conditions: ['@'] }],
    [31, 'with all of these', { size: 0.5, tradeId: '17', conditions: ['@'] }],
  ])('takes %i bytes a trade %s', (bytesPerTrade, _, fields) => {
    const bytesOf = (count: number) =>
      packed(Array.from({ length: count }, () => ({ symbol: 'IBM', eventTimeMs: startMs, price: 1, size: 1, ...fields }))).length;
    expect(bytesOf(1_000) - bytesOf(900)).toBe(100 * bytesPerTrade);
  });

  it.each([0, 1, 255, 256, 257, 511, 512, 599])('rejects a bad trade alone at place %i of 600', (place) => {
    const bytes = packed(Array.from({ length: 600 }, () => ({ symbol: 'IBM', eventTimeMs: startMs, price: 1, size: 1 })));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (const [at, write, reason] of [
      [40 + place * 8, (at: number) => view.setFloat64(at, -1, true), 'price-not-positive'],
      [40 + 600 * 8 + place * 4, (at: number) => view.setUint32(at, 0, true), 'size-not-positive'],
      [40 + 600 * 16 + place * 2, (at: number) => view.setUint16(at, 1, true), 'symbol-missing'],
    ] as const) {
      const before = bytes.slice();
      write(at);
      view.setUint32(12, crc32(bytes.subarray(16), crc32(bytes.subarray(0, 12))), true);
      const { trades, rejected } = readRecord(bytes);
      expect([trades.length, rejected]).toEqual([599, [[place, reason]]]);
      bytes.set(before);
    }
  });

  it('means its own symbols, whatever dictionaries the frames before it had', () => {
    const dictionary = fc.record({
      producerId: fc.constantFrom('a', 'b'),
      kept: fc.nat(12),
      added: fc.array(fc.oneof(symbolText, fc.constantFrom('"]', '],[[]],null]')), { maxLength: 4 }),
      conditionSets: fc.constantFrom([[]], [[], ['@']], [[], [']', ',null]']]),
      hasTextIds: fc.boolean(),
      isSpaced: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(dictionary, { maxLength: 12 }), (dictionaries) => {
        let symbols: string[] = ['IBM'];
        for (const { producerId, kept, added, conditionSets, hasTextIds, isSpaced } of dictionaries) {
          symbols = [...symbols.slice(0, 1 + kept), ...added];
          const tradeIdText = hasTextIds ? Array.from({ length: 1024 }, (_, i) => `id ${i}`) : undefined;
          const frame = { ...largeFrame(symbols), producerId, conditionSets, tradeIdText };
          const bytes = isSpaced ? withTexts(frame, [producerId, symbols, conditionSets, tradeIdText ?? null]) : encodePacked(frame);
          expect(readRecord(bytes)).toMatchObject({ rejected: [], trades: entriesOf(frame) });
        }
      }),
      { numRuns: tries(60) },
    );
  });

  it('is refused whole when one of its bits is another', () => {
    const bytes = packed([...good, startMs + 9], { producerSequence: 3 });
    for (let at = 0; at < bytes.length; at++) {
      for (let bit = 1; bit < 256; bit *= 2) {
        const flipped = bytes.slice();
        flipped[at] = (flipped[at] as number) ^ bit;
        const { trades, heartbeatsMs, rejected } = readRecord(flipped);
        expect([trades.length, heartbeatsMs.length, rejected.length > 0], `byte ${at}, bit ${bit}`).toEqual([0, 0, true]);
      }
    }
  });

  it('is refused whole when it is cut anywhere', () => {
    const bytes = packed(good);
    for (let length = 0; length < bytes.length; length++) {
      const { trades, rejected } = readRecord(bytes.subarray(0, length));
      expect([trades, rejected]).toEqual([[], [[0, length === 0 ? 'frame-empty' : 'frame-truncated']]]);
    }
  });
});

/** So many trades that a reader remembers the dictionary. */
function largeFrame(symbols: readonly string[]): Frame {
  const count = 1024;
  return {
    bucket: 0,
    producerSequence: 0,
    count,
    symbols,
    baseTimeMs: startMs,
    price: new Float64Array(count).fill(1),
    size: new Float64Array(count).fill(2),
    timeOffsetMs: new Uint32Array(count),
    symbolIndex: Uint16Array.from({ length: count }, (_, i) => i % symbols.length),
    conditionIndex: new Uint8Array(count),
    flags: new Uint8Array(count),
    tradeIdNumber: undefined,
    tradeIdText: undefined,
    isAhead: false,
    producerId: '',
    conditionSets: [[]],
  };
}

/** The frame with its texts as another encoder may write them: with spaces. */
function withTexts(frame: Frame, value: unknown): Uint8Array {
  const written = encodePacked({ ...frame, tradeIdText: undefined });
  const head = written.length - new DataView(written.buffer).getUint32(32, true);
  const bytes = Buffer.concat([written.subarray(0, head), Buffer.from(JSON.stringify(value, null, 1))]);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setUint32(32, bytes.length - head, true);
  view.setUint32(12, crc32(bytes.subarray(16), crc32(bytes.subarray(0, 12))), true);
  return bytes;
}

/** A frame that says something else than its trades, with the right checksum. */
function changed(change: (frame: Frame, view: DataView, bytes: Uint8Array) => void, before: Partial<Frame> = {}): Uint8Array {
  const frame = { ...frameOf(good), ...before };
  const bytes = encodePacked(frame).slice();
  const view = new DataView(bytes.buffer);
  change(frame, view, bytes);
  view.setUint32(12, crc32(bytes.subarray(16), crc32(bytes.subarray(0, 12))), true);
  return bytes;
}

const priceAt = (i: number) => 40 + i * 8;
const sizeAt = (i: number) => 40 + good.length * 8 + i * 8;
const symbolAt = (i: number) => 40 + good.length * 28 + i * 2;
const conditionAt = (i: number) => 40 + good.length * 30 + i;
const texts = (value: unknown): Uint8Array => {
  const written = packed(good);
  const head = written.slice(0, written.length - new DataView(written.buffer).getUint32(32, true));
  const bytes = Buffer.concat([head, Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))]);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setUint32(32, bytes.length - head.length, true);
  view.setUint32(12, crc32(bytes.subarray(16), crc32(bytes.subarray(0, 12))), true);
  return bytes;
};

type BadFrame = {
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly reason: FrameReason | LineReason;
  readonly survives?: readonly number[];
  readonly at?: number;
};

const badFrames: readonly BadFrame[] = [
  { what: 'no bytes', bytes: new Uint8Array(0), reason: 'frame-empty' },
  { what: 'more than a Kinesis record', bytes: Buffer.alloc(frameBytesMax + 1, 0xf7), reason: 'frame-too-large' },
  { what: 'more JSON than a Kinesis record', bytes: Buffer.alloc(frameBytesMax + 1, '{}'), reason: 'frame-too-large' },
  { what: 'bytes that begin nothing known', bytes: Buffer.alloc(64, 0x01), reason: 'frame-unknown-encoding' },
  {
    what: 'the first byte of a frame and another magic',
    bytes: Buffer.concat([Buffer.from([0xf7]), Buffer.alloc(63)]),
    reason: 'frame-unknown-encoding',
  },
  {
    what: 'KPL’s magic',
    bytes: Buffer.concat([Buffer.from([0xf3, 0x89, 0x9a, 0xc2]), Buffer.alloc(60)]),
    reason: 'frame-unknown-encoding',
  },
  { what: 'gzip', bytes: Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.alloc(60)]), reason: 'frame-unknown-encoding' },
  { what: 'a head only begun', bytes: packed(good).slice(0, 39), reason: 'frame-truncated' },
  { what: 'a head without columns', bytes: packed(good).slice(0, 40), reason: 'frame-truncated' },
  { what: 'columns cut', bytes: packed(good).slice(0, 100), reason: 'frame-truncated' },
  { what: 'texts cut', bytes: packed(good).slice(0, -1), reason: 'frame-truncated' },
  { what: 'a byte too many', bytes: Buffer.concat([packed(good), Buffer.from([0])]), reason: 'frame-malformed' },
  { what: 'version 2', bytes: changed((_, view) => view.setUint8(4, 2)), reason: 'frame-version-unsupported' },
  { what: 'version 0', bytes: changed((_, view) => view.setUint8(4, 0)), reason: 'frame-version-unsupported' },
  { what: 'another checksum', bytes: packed(good).with(12, (packed(good)[12] as number) ^ 1), reason: 'frame-checksum-mismatch' },
  { what: 'a count of 2^32 - 1', bytes: changed((_, view) => view.setUint32(8, 0xffffffff, true)), reason: 'frame-truncated' },
  { what: 'a count too small', bytes: changed((_, view) => view.setUint32(8, 2, true)), reason: 'frame-malformed' },
  { what: 'a text length too small', bytes: changed((_, view) => view.setUint32(32, 1, true)), reason: 'frame-malformed' },
  { what: 'another bucket', bytes: packed(good, { bucket: 3 }), reason: 'wrong-bucket' },
  { what: 'a base time that is no number', bytes: changed((_, view) => view.setFloat64(16, Number.NaN, true)), reason: 'frame-malformed' },
  { what: 'a base time with a fraction', bytes: changed((_, view) => view.setFloat64(16, 0.5, true)), reason: 'frame-malformed' },
  { what: 'a negative producer sequence', bytes: changed((_, view) => view.setFloat64(24, -1, true)), reason: 'frame-malformed' },
  {
    what: 'an infinite producer sequence',
    bytes: changed((_, view) => view.setFloat64(24, Number.POSITIVE_INFINITY, true)),
    reason: 'frame-malformed',
  },
  { what: 'texts that are no JSON', bytes: texts('['), reason: 'frame-malformed' },
  { what: 'texts of another shape', bytes: texts({}), reason: 'frame-malformed' },
  { what: 'a producer that is no text', bytes: texts([1, ['IBM', 'MSFT'], [[], ['@', 'I']], null]), reason: 'frame-malformed' },
  { what: 'symbols that are no texts', bytes: texts(['', ['IBM', 1], [[], ['@', 'I']], null]), reason: 'frame-malformed' },
  { what: 'no condition set', bytes: texts(['', ['IBM', 'MSFT'], [], null]), reason: 'frame-malformed' },
  { what: 'fewer text ids than trades', bytes: texts(['', ['IBM', 'MSFT'], [[], ['@', 'I']], ['a']]), reason: 'frame-malformed' },
  {
    what: 'a price that is no number',
    bytes: changed((_, view) => view.setFloat64(priceAt(1), Number.NaN, true)),
    reason: 'price-not-a-number',
    at: 1,
  },
  {
    what: 'an infinite price',
    bytes: changed((_, view) => view.setFloat64(priceAt(0), Number.POSITIVE_INFINITY, true)),
    reason: 'price-not-a-number',
    at: 0,
  },
  {
    what: 'a price too great',
    bytes: changed((_, view) => view.setFloat64(priceAt(2), 1.01e100, true)),
    reason: 'price-not-a-number',
    at: 2,
  },
  {
    what: 'a price too small',
    bytes: changed((_, view) => view.setFloat64(priceAt(2), 0.99e-100, true)),
    reason: 'price-not-positive',
    at: 2,
  },
  { what: 'a size too great', bytes: changed((_, view) => view.setFloat64(sizeAt(1), 1.01e100, true)), reason: 'size-not-a-number', at: 1 },
  { what: 'a negative price', bytes: changed((_, view) => view.setFloat64(priceAt(2), -1, true)), reason: 'price-not-positive', at: 2 },
  { what: 'price zero', bytes: changed((_, view) => view.setFloat64(priceAt(2), 0, true)), reason: 'price-not-positive', at: 2 },
  {
    what: 'a size that is no number',
    bytes: changed((_, view) => view.setFloat64(sizeAt(1), Number.NaN, true)),
    reason: 'size-not-a-number',
    at: 1,
  },
  {
    what: 'an infinite size',
    bytes: changed((_, view) => view.setFloat64(sizeAt(1), Number.POSITIVE_INFINITY, true)),
    reason: 'size-not-a-number',
    at: 1,
  },
  { what: 'size minus zero', bytes: changed((_, view) => view.setFloat64(sizeAt(1), -0, true)), reason: 'size-not-positive', at: 1 },
  {
    what: 'a symbol that is not in the texts',
    bytes: changed((_, view) => view.setUint16(symbolAt(1), 2, true)),
    reason: 'symbol-missing',
    at: 1,
  },
  {
    what: 'the last symbol index before the heartbeat',
    bytes: changed((_, view) => view.setUint16(symbolAt(0), heartbeatIndex - 1, true)),
    reason: 'symbol-missing',
    at: 0,
  },
  {
    what: 'conditions that are not in the texts',
    bytes: changed((_, view) => view.setUint8(conditionAt(2), 2)),
    reason: 'conditions-invalid',
    at: 2,
  },
  ...['', ' ', 'A\u0000B', '\ud800', 'x'.repeat(65)].map((symbol) => ({
    what: `the symbol ${JSON.stringify(symbol)}`,
    bytes: texts(['', ['IBM', symbol], [[], ['@', 'I']], null]),
    reason: 'symbol-invalid' as const,
    at: 1,
  })),
  ...[['\u0007'], ['x'.repeat(17)], ['']].map((conditions) => ({
    what: `the conditions ${JSON.stringify(conditions)}`,
    bytes: texts(['', ['IBM', 'MSFT'], [[], conditions], null]),
    reason: 'conditions-invalid' as const,
    at: 1,
  })),
  ...['\udfff', 'x'.repeat(129)].map((tradeId) => ({
    what: `the trade id ${JSON.stringify(tradeId)}`,
    bytes: texts(['', ['IBM', 'MSFT'], [[], ['@', 'I']], ['', tradeId, '']]),
    reason: 'trade-id-invalid' as const,
    at: 1,
  })),
  {
    what: 'a time before all dates',
    bytes: packed([
      { ...(good[0] as Trade), eventTimeMs: -eventTimeMaxMs - 1 },
      ...good.slice(1).map((one) => ({ ...one, eventTimeMs: -eventTimeMaxMs })),
    ]),
    reason: 'event-time-invalid',
    at: 0,
  },
];

it('rejects the trades of a bad symbol alone, in each frame that has the dictionary', () => {
  const frame = largeFrame(['IBM', 'A\u0000', 'MSFT', 'X']);
  for (let again = 0; again < 3; again++) {
    const { trades, rejected } = readRecord(encodePacked(frame));
    expect([trades.length, rejected.length]).toEqual([768, 256]);
    expect(new Set(rejected.map(([, reason]) => reason))).toEqual(new Set(['symbol-invalid']));
  }
});

describe('a frame that says what cannot be', () => {
  it.each(badFrames)('$what: $reason', ({ bytes, reason, at }) => {
    const { trades, rejected, samples, entryCount } = readRecord(bytes);
    expect(rejected).toEqual([[at ?? 0, reason]]);
    expect(samples.every((sample) => sample.length <= 200)).toBe(true);
    const whole = at === undefined;
    expect(trades.map(({ price }) => price)).toEqual(whole ? [] : good.filter((_, i) => i !== at).map(({ price }) => price));
    expect(entryCount).toBe(whole ? 0 : good.length);
  });
});

describe('a full frame', () => {
  const characters = ['"', '\\', 'é', '€', '😀'];
  const shapes = [
    { symbols: 1, idBytes: 7 },
    { symbols: 65_536, idBytes: 0 },
    { symbols: 65_536, idBytes: 128 },
  ];
  it.each(shapes.flatMap((shape) => characters.map((character) => ({ ...shape, character }))))(
    'is no more than a Kinesis record: $symbols symbols, ids of $idBytes bytes, of $character',
    ({ symbols, idBytes, character }) => {
      const textOf = (i: number, bytes: number) =>
        bytes === 0
          ? ''
          : i
              .toString(36)
              .padEnd(
                i.toString(36).length + Math.floor((bytes - i.toString(36).length) / Buffer.byteLength(character)) * character.length,
                character,
              );
      const builder = new FrameBuilder(0, 16_384);
      const batch = new TradeBatch(1);
      let count = 0;
      const add = (i: number) => {
        const [symbol, conditions] = [i % symbols, Array.from({ length: 16 }, () => textOf(i % 255, 16))];
        batch.clear();
        const set = batch.numberOfConditionSet(conditions);
        batch.add(batch.numberOfSymbol(textOf(symbol, 64)), startMs + i, 1.5, 0.5, Number.NaN, textOf(i, idBytes), set);
        return builder.addTrade(batch, 0);
      };
      while (add(count)) count++;
      const record = encodePacked(builder.take('producer', 1));
      expect(record.length).toBeLessThanOrEqual(frameBytesMax);
      const { trades, rejected } = readRecord(record);
      expect([trades.length, rejected]).toEqual([count, []]);
      expect(count).toBeGreaterThan(300);
    },
  );
});
