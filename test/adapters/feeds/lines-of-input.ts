import fc from 'fast-check';

/** Pieces of JSON lines, the likely and the unlikely, for generators. */
const numberText = fc.oneof(
  fc.integer({ min: 1, max: 1e9 }).map(String),
  fc.double({ min: 1e-9, max: 1e9, noNaN: true }).map(String),
  fc.tuple(fc.nat(999_999_999), fc.nat(999_999_999)).map(([whole, fraction]) => `${whole}.${fraction}`),
  fc.constantFrom(
    '0',
    '-0',
    '00',
    '01',
    '1.',
    '.5',
    '1.0',
    '5e3',
    '1E-2',
    '1e400',
    '1e-400',
    '-1',
    '+1',
    '0x10',
    'Infinity',
    'NaN',
    '1 ',
    ' 1',
    '999999999',
    '1000000000',
    '9999999999',
    '999999999999999',
    '1000000000000000',
    '9007199254740993',
    '8640000000000000',
    '8640000000000001',
    '0.00000001',
    '0.0',
    '0.000000001',
    '123456789.123456',
    '123456789.1234567',
    '12345678901234567',
    '123456789012345678',
    '1.2345678901234567890',
    '1381152600123',
    '1381152600123.0',
    '1381152600123.5',
    '1.381152600123e12',
    '17',
    '017',
    '١٢',
    '1_000',
    '1,5',
  ),
);

const text = fc.oneof(
  fc.constantFrom(
    'IBM',
    'BRK.B',
    'AAM-U',
    '',
    ' ',
    '  IBM',
    'ÄÖ',
    '💹',
    '\\u0049BM',
    '\\ud800',
    '\\n',
    '\\"',
    '\\\\',
    '\u007f',
    '\u0085',
    '@',
    'F',
    ']',
    '["',
    'x'.repeat(64),
    'x'.repeat(65),
    'é'.repeat(33),
    '__proto__',
    'constructor',
  ),
  fc.string({ maxLength: 8 }),
);

const value = fc.oneof(
  { weight: 4, arbitrary: numberText },
  { weight: 4, arbitrary: text.map((inner) => `"${inner}"`) },
  { weight: 2, arbitrary: numberText.map((inner) => `"${inner}"`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'null',
      'true',
      'false',
      'nul',
      '[]',
      '{}',
      '["@"]',
      '["@","F"]',
      '["]"]',
      '[ "@" ]',
      '[1]',
      '[null]',
      '["a" "b"]',
      '[[]]',
      '{"price":1}',
      '"',
      '',
    ),
  },
  { weight: 1, arbitrary: fc.array(text, { maxLength: 18 }).map((codes) => JSON.stringify(codes)) },
);

const name = fc.constantFrom(
  'symbol',
  'eventTimeMs',
  'price',
  'size',
  'tradeId',
  'conditions',
  'side',
  'symbo',
  'symbols',
  'Price',
  'pri\\u0063e',
  '__proto__',
  'sizé',
  'tradeid',
  '',
);

const space = fc.constantFrom('', '', '', '', ' ', '\t', '  ', '\r', '\u00a0', '\u000b');

const goodValue: Readonly<Record<string, fc.Arbitrary<string>>> = {
  symbol: fc.constantFrom('"IBM"', '"BRK.B"', '"A"', '"GOOGL"', '"ÄÖ"'),
  eventTimeMs: fc.integer({ min: 0, max: 2e12 }).map(String),
  price: fc.oneof(
    fc.double({ min: 0.0001, max: 1e6, noNaN: true }).map(String),
    fc.nat(1e7).map((cents) => (cents / 100 + 0.01).toFixed(2)),
    fc.constant('"181.85"'),
  ),
  size: fc.oneof(fc.integer({ min: 1, max: 1e6 }).map(String), fc.constantFrom('0.5', '"100"', '1e2')),
  tradeId: fc.oneof(
    fc.nat().map(String),
    fc.nat().map((id) => `"${id}"`),
    fc.uuid().map((id) => `"${id}"`),
    fc.constantFrom('null', '9007199254740993', '"007"'),
  ),
  conditions: fc.constantFrom('[]', 'null', '["@"]', '["@","F"]', '[" "]', '["",""]', '["é"]'),
};

const members = fc
  .tuple(
    fc.array(fc.tuple(fc.oneof({ weight: 6, arbitrary: fc.constant('good') }, { weight: 1, arbitrary: value })), {
      minLength: 6,
      maxLength: 6,
    }),
    fc.record({
      symbol: goodValue.symbol as fc.Arbitrary<string>,
      eventTimeMs: goodValue.eventTimeMs as fc.Arbitrary<string>,
      price: goodValue.price as fc.Arbitrary<string>,
      size: goodValue.size as fc.Arbitrary<string>,
      tradeId: goodValue.tradeId as fc.Arbitrary<string>,
      conditions: goodValue.conditions as fc.Arbitrary<string>,
    }),
    fc.array(fc.tuple(name, value), { maxLength: 2 }),
    fc.nat(63),
  )
  .map(([replacements, good, others, optional]) => {
    const own = Object.entries(good).map(([key, goodText], i): readonly [string, string] => [
      key,
      replacements[i]?.[0] === 'good' ? goodText : (replacements[i]?.[0] as string),
    ]);
    const kept = own.filter((_, i) => i < 4 || (optional & (1 << i)) !== 0);
    return [...kept, ...others];
  })
  .chain((entries) => fc.shuffledSubarray(entries, { minLength: Math.max(0, entries.length - 1), maxLength: entries.length }));

/** Lines that are mostly objects like a trade's: good ones, and ones with a fault or an oddity. */
export const ndjsonLine = fc
  .tuple(members, fc.array(space, { minLength: 4, maxLength: 4 }))
  .map(([entries, [a, b, c, d]]) =>
    `${a}{${entries.map(([key, written]) => `${b}"${key}"${c}:${d}${written}`).join(',')}}${a}`.replaceAll('\n', ''),
  );

const cell = fc.oneof(
  numberText,
  text.filter((inner) => !inner.includes('\n')),
  fc.constantFrom('"IBM"', '"a,b"', '"a""b"', '"a', 'a"b', '"a"b', ' "a" ', '@;F', '@ F', '', ';;'),
);

export const csvHeader = 'price,symbol,note,eventTimeMs,size,conditions,tradeId';

const goodRow = fc
  .record({
    price: fc.nat(1e7).map((cents) => (cents / 100 + 0.01).toFixed(2)),
    symbol: fc.constantFrom('IBM', '"BRK.B"', 'ÄÖ', ' A '),
    note: fc.constantFrom('', 'x', '"a,b"', 'é'),
    eventTimeMs: fc.integer({ min: 0, max: 2e12 }).map(String),
    size: fc.integer({ min: 1, max: 1e6 }).map(String),
    conditions: fc.constantFrom('', '@', '@;F', '@ F'),
    tradeId: fc.oneof(fc.nat().map(String), fc.constantFrom('', 'abc', '007')),
  })
  .map((row) => Object.values(row).join(','));

/** Rows under `csvHeader`. */
export const csvRow = fc.oneof(
  { weight: 3, arbitrary: goodRow },
  { weight: 1, arbitrary: fc.array(cell, { minLength: 6, maxLength: 8 }).map((cells) => cells.join(',').replaceAll('\n', '')) },
  {
    weight: 1,
    arbitrary: fc.tuple(goodRow, fc.nat(6), cell).map(([row, at, bad]) =>
      row
        .split(',')
        .with(Math.min(at, row.split(',').length - 1), bad)
        .join(',')
        .replaceAll('\n', ''),
    ),
  },
);

const update = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record(
      {
        key: fc.constantFrom('IBM', 'A', 'ÄÖ', 'BF-B'),
        3: fc.constantFrom(0, 1.5, 181.85),
        8: fc.nat(50),
        9: fc.nat(5),
        35: fc.constantFrom(0, 1_726_233_671_000),
        1: fc.nat(),
      },
      { requiredKeys: ['key'] },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<unknown>(
      null,
      7,
      {},
      { key: '' },
      { key: 'IBM', 3: 'x' },
      { key: 'IBM', 8: -1 },
      { key: 'IBM', 8: 1.5 },
      { key: 'IBM', 35: 'now' },
      { key: 'IBM', 3: -1 },
    ),
  },
);

const part = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      service: fc.constant('LEVELONE_EQUITIES'),
      timestamp: fc.constantFrom<unknown>(1_726_233_671_621, null),
      command: fc.constant('SUBS'),
      content: fc.array(update, { maxLength: 5 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<unknown>({ service: 'CHART_EQUITY', content: [] }, null, { service: 5 }, { service: 'LEVELONE_EQUITIES' }),
  },
);

export const schwabMessage = fc.oneof(
  { weight: 8, arbitrary: fc.array(part, { maxLength: 3 }).map((data) => JSON.stringify({ data })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('{"notify":[{"heartbeat":"1726233671621"}]}', '{"response":[{}]}', '{}', '[]', 'x', '{"data":5}', '7'),
  },
);

/** Whole inputs: lines with any line end, blank lines, bytes that are no UTF-8, with or without a byte order mark and a last line feed. */
export function inputOf(line: fc.Arbitrary<string>): fc.Arbitrary<Uint8Array> {
  const lineBytes = fc.oneof(
    { weight: 12, arbitrary: line.map((text) => Buffer.from(text)) },
    { weight: 1, arbitrary: fc.constantFrom('', ' ', '\t').map((text) => Buffer.from(text)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 10))) },
  );
  return fc
    .tuple(fc.boolean(), fc.array(fc.tuple(lineBytes, fc.constantFrom('\n', '\n', '\r\n')), { maxLength: 12 }), fc.boolean())
    .map(([hasMark, lines, endsOpen]) => {
      const parts = lines.flatMap(([bytes, end], i) => (endsOpen && i === lines.length - 1 ? [bytes] : [bytes, Buffer.from(end)]));
      return Buffer.concat([Buffer.from(hasMark ? '\ufeff' : ''), ...parts]);
    });
}
