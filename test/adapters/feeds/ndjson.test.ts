import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LineFeed } from '../../../adapters/feeds/lines.ts';
import { ndjson } from '../../../adapters/feeds/ndjson.ts';
import { tradeOfJsonLine } from '../../../adapters/feeds/ndjson-line.ts';
import type { Trade } from '../../../core/trade.ts';
import { TradeBatch } from '../../../core/trade.ts';
import { ndjsonLine } from './lines-of-input.ts';
import { bytesOf, read } from './reading.ts';
import { tries } from '../../tries.ts';

const good = '{"symbol":"IBM","eventTimeMs":1381152600123,"price":181.85,"size":100,"tradeId":"17","conditions":["@","F"]}';

/** A line with one place changed: a byte put in, taken out, or another one. */
const mutatedLine = fc
  .tuple(
    fc.oneof(ndjsonLine, fc.constant(good)),
    fc.array(
      fc.tuple(fc.nat(200), fc.constantFrom('put', 'take', 'change'), fc.constantFrom(...'"\\,:{}[]0123456789.eE-+ \tnultruefs@é')),
      { minLength: 1, maxLength: 2 },
    ),
  )
  .map(([line, changes]) =>
    changes.reduce((text, [place, change, character]) => {
      const at = place % (text.length + 1);
      return text.slice(0, at) + (change === 'take' ? '' : character) + text.slice(change === 'put' ? at : at + 1);
    }, line),
  );

function readLine(line: string): Trade | string {
  const { trades, rejected } = read(ndjson, `${line}\n`);
  return trades[0] ?? rejected[0]?.reason ?? 'blank';
}

function readLineCarefully(line: string): Trade | string {
  const bytes = bytesOf(line);
  return tradeOfJsonLine(bytes, 0, bytes.length);
}

describe('the scanner', () => {
  it.each([
    ['made up', ndjsonLine],
    ['mutated', mutatedLine],
  ])('says of every %s line what the careful path says', (_, line) => {
    fc.assert(
      fc.property(line, (text) => {
        expect(readLine(text)).toEqual(readLineCarefully(text));
      }),
      { numRuns: tries(20_000) },
    );
  });

  it('says so also when it has seen the symbols and the conditions before', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(ndjsonLine, mutatedLine), { maxLength: 20 }), (lines) => {
        const careful = [...lines, ...lines].map(readLineCarefully);
        const { trades, rejected } = read(ndjson, [...lines, ...lines].join('\n'));
        expect(trades).toEqual(careful.filter((trade) => typeof trade !== 'string'));
        expect(rejected.map(({ reason }) => reason)).toEqual(careful.filter((reason) => typeof reason === 'string' && reason !== 'blank'));
      }),
      { numRuns: tries(1_000) },
    );
  });

  it('accepts nothing that JSON.parse does not read the same', () => {
    fc.assert(
      fc.property(fc.oneof(ndjsonLine, mutatedLine), (text) => {
        const trade = readLine(text);
        if (typeof trade === 'string') return;
        // As its bytes say it: half a character is another one in UTF-8.
        const object: Record<string, unknown> = JSON.parse(Buffer.from(text).toString());
        expect(trade.symbol).toBe(object.symbol);
        expect(trade.eventTimeMs).toBe((object.eventTimeMs as number) + 0);
        expect(trade.price).toBe(Number(object.price));
        expect(trade.size).toBe(Number(object.size));
        const codes = (object.conditions ?? []) as string[];
        expect(trade.conditions ?? []).toEqual(codes.filter((code) => code !== ''));
      }),
      { numRuns: tries(10_000) },
    );
  });

  it('gives every decimal the float64 that Number gives it, and takes none that this does not give back', () => {
    fc.assert(
      fc.property(fc.nat(999_999_999), fc.nat(999_999_999), fc.nat(9), (whole, fraction, digits) => {
        const price = digits === 0 ? `${whole}` : `${whole}.${String(fraction).padStart(9, '0').slice(0, digits)}`;
        fc.pre(Number(price) > 0 && price.replace(/\D/g, '').length < 18);
        const plain = price.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '');
        // Smaller ones are printed with an exponent; of their three digits none is lost.
        const back = Number(price) < 1e-6 ? plain : String(Number(price));
        const { trades, rejected } = read(ndjson, `{"symbol":"A","eventTimeMs":1,"price":${price},"size":"${price}"}`);
        if (back === plain) expect(trades).toMatchObject([{ price: Number(price), size: Number(price) }]);
        else expect(rejected).toMatchObject([{ reason: 'price-too-precise' }]);
      }),
      { numRuns: tries(20_000) },
    );
  });
});

const trade = { symbol: 'IBM', eventTimeMs: 1_381_152_600_123, price: 181.85, size: 100 };
const line = (changes: Record<string, string>) =>
  `{${Object.entries({ symbol: '"IBM"', eventTimeMs: '1381152600123', price: '181.85', size: '100', ...changes })
    .map(([key, text]) => `"${key}":${text}`)
    .join(',')}}`;

it.each<[fact: string, line: string, trade: Trade]>([
  ['the line of the contract', good, { ...trade, tradeId: '17', conditions: ['@', 'F'] }],
  ['blanks wherever JSON has them', ' { "symbol" : "IBM" ,\t"eventTimeMs" : 1381152600123 , "price" :181.85, "size":100 } \r', trade],
  ['keys in any order', '{"size":100,"price":181.85,"eventTimeMs":1381152600123,"symbol":"IBM"}', trade],
  ['the last of repeated keys', line({ price: '"none","price":181.85' }), trade],
  ['a nested value that nobody asked for', line({ nested: '{"price":[1,{"size":"]}"}]}' }), trade],
  ['a key with an escape', line({}).replace('price', 'pr\\u0069ce'), trade],
  ['decimal strings', line({ price: '"181.85"', size: '"1e2"' }), trade],
  ['decimal strings as databases write them', line({ price: '".5"', size: '"100."' }), { ...trade, price: 0.5 }],
  ['a whole event time written as a fraction', line({ eventTimeMs: '1381152600123.0' }), trade],
  ['a whole event time written with an exponent', line({ eventTimeMs: '1.381152600123e12' }), trade],
  ['an event time before 1970', line({ eventTimeMs: '-1' }), { ...trade, eventTimeMs: -1 }],
  ['the furthest event time', line({ eventTimeMs: '8640000000000000' }), { ...trade, eventTimeMs: 8_640_000_000_000_000 }],
  ['17 digits of price', line({ price: '1234.5678901234567' }), { ...trade, price: 1234.5678901234567 }],
  ['17 digits that no fewer would say', line({ price: '0.30000000000000004' }), { ...trade, price: 0.1 + 0.2 }],
  ['zeros behind a price say nothing', line({ price: '181.850000000000000000000' }), trade],
  ['a very small size', line({ size: '0.00000001' }), { ...trade, size: 1e-8 }],
  ['a trade id that is a number', line({ tradeId: '17' }), { ...trade, tradeId: '17' }],
  ['a trade id that is a whole number written as a fraction', line({ tradeId: '17.0' }), { ...trade, tradeId: '17' }],
  ['a trade id with a zero in front is a text', line({ tradeId: '"017"' }), { ...trade, tradeId: '017' }],
  ['a trade id beyond 2^53 keeps its digits', line({ tradeId: '9007199254740993' }), { ...trade, tradeId: '9007199254740993' }],
  ['a trade id of 128 bytes', line({ tradeId: `"${'é'.repeat(64)}"` }), { ...trade, tradeId: 'é'.repeat(64) }],
  ['no trade id', line({ tradeId: 'null', conditions: 'null' }), trade],
  [
    'conditions as given, repeats and order kept',
    line({ conditions: '["F","@","F"," "]' }),
    { ...trade, conditions: ['F', '@', 'F', ' '] },
  ],
  ['empty condition codes left out', line({ conditions: '["","@"]' }), { ...trade, conditions: ['@'] }],
  ['a bracket in a condition code', line({ conditions: '["]","["]' }), { ...trade, conditions: [']', '['] }],
  ['a symbol with an escape', line({ symbol: '"\\u0049BM"' }), trade],
  ['a symbol of 64 bytes', line({ symbol: `"${'é'.repeat(32)}"` }), { ...trade, symbol: 'é'.repeat(32) }],
  ['a symbol that objects have by themselves', line({ symbol: '"__proto__"' }), { ...trade, symbol: '__proto__' }],
])('reads %s', (_, text, expected) => expect(readLine(text)).toEqual(expected));

it('skips a byte order mark at the start only', () => {
  expect(read(ndjson, `\ufeff${good}\n${good}\n`).trades).toHaveLength(2);
  expect(read(ndjson, `${good}\n\ufeff${good}\n`).rejected).toMatchObject([{ line: 2, byteOffset: good.length + 1, reason: 'not-json' }]);
});

it('holds no more of a line too long than its beginning, and reads the next one', () => {
  const decoder = ndjson.decoder();
  const long = new Uint8Array(1_000_000).fill(0x20);
  const text = `${good}\n{"note":"`;
  const parts = [bytesOf(text), ...Array.from({ length: 50 }, () => long), bytesOf(`\n${good}`)];
  const { trades, rejected } = read(ndjson, Buffer.concat(parts), [100, 2_000_000, 30_000_000]);
  expect(trades).toHaveLength(2);
  expect(rejected).toEqual([{ line: 2, byteOffset: good.length + 1, reason: 'line-too-long', sample: `{"note":"${' '.repeat(191)}` }]);
  for (const part of parts) decoder.push(part, { trades: new TradeBatch(), rejected: [] });
  expect((decoder as LineFeed).bytes.length).toBeLessThan(3_000_000);
});

it.each([1_048_575, 1_048_576, 1_048_577])('takes a line up to 1 MiB: %i bytes', (byteCount) => {
  const padded = line({})
    .slice(0, -1)
    .padEnd(byteCount - 1, ' ')
    .concat('}');
  const reading = read(ndjson, `${good}\n${padded}\n${good}\n`, [5, 70_000, 1_048_650]);
  expect(reading).toEqual(read(ndjson, `${good}\n${padded}\n${good}\n`));
  expect(reading.trades).toHaveLength(byteCount > 1_048_576 ? 2 : 3);
  expect(reading.rejected.map(({ reason, line: at }) => [reason, at])).toEqual(byteCount > 1_048_576 ? [['line-too-long', 2]] : []);
});

it('cuts a sample at a whole character', () => {
  const [rejected] = read(ndjson, `x${'é'.repeat(200)}`).rejected;
  expect(rejected?.sample).toBe(`x${'é'.repeat(99)}`);
});

it('has the same sample of a line too long, however it comes', () => {
  const text = `${'x'.repeat(199)}é${'y'.repeat(1_048_576)}\n`;
  const whole = read(ndjson, text).rejected;
  expect(whole.map(({ sample }) => sample)).toEqual(['x'.repeat(199)]);
  expect(read(ndjson, text, [200, 1_048_700]).rejected).toEqual(whole);
});

it('numbers symbols and conditions anew in another batch', () => {
  const decoder = ndjson.decoder();
  const texts = [`${good}\n`, `${good.replace('IBM', 'A').replace('"@",', '')}\n${good}\n`];
  for (const text of texts) {
    const out = { trades: new TradeBatch(), rejected: [] };
    decoder.push(bytesOf(text), out);
    const last = out.trades.length - 1;
    expect(out.trades.symbols[out.trades.symbolNumber[last] as number]).toBe('IBM');
    expect(out.trades.conditionSets[out.trades.conditionSetNumber[last] as number]).toEqual(['@', 'F']);
  }
});

it('rejects a trade with a condition set that the batch cannot number, instead of giving it another', () => {
  const lines = Array.from({ length: 65_540 }, (_, i) => line({ conditions: `["${i}"]` }));
  const { trades, rejected } = read(ndjson, lines.join('\n'));
  expect(trades.map(({ conditions }) => conditions?.[0])).toEqual(Array.from({ length: 65_535 }, (_, i) => String(i)));
  expect(rejected.map(({ reason, line: at }) => `${reason} ${at}`)).toEqual(
    [65_536, 65_537, 65_538, 65_539, 65_540].map((at) => `conditions-invalid ${at}`),
  );
});
