import { expect, it } from 'vitest';
import { csv } from '../../../adapters/feeds/csv.ts';
import type { FeedFormat } from '../../../adapters/feeds/feed.ts';
import { ndjson } from '../../../adapters/feeds/ndjson.ts';
import { schwab } from '../../../adapters/feeds/schwab.ts';
import type { LineReason } from '../../../core/reasons.ts';
import { lineReasons } from '../../../core/reasons.ts';
import { bytesOf, joined, read } from './reading.ts';

type Case = readonly [reason: LineReason, line: string | Uint8Array];

const json = (changes: Record<string, string | undefined>) =>
  `{${Object.entries({ symbol: '"IBM"', eventTimeMs: '1381152600123', price: '181.85', size: '100', ...changes })
    .filter(([, text]) => text !== undefined)
    .map(([key, text]) => `"${key}":${text}`)
    .join(',')}}`;

const ndjsonCases: readonly Case[] = [
  ['not-json', 'hello'],
  ['not-json', json({}).slice(0, -1)],
  ['not-json', `${json({})},`],
  ['not-json', `${json({})}${json({})}`],
  ['not-json', json({}).replace('}', ',}')],
  ['not-json', json({ price: '.5' })],
  ['not-json', json({ price: '5.' })],
  ['not-json', json({ price: '0181.85' })],
  ['not-json', json({ price: '+5' })],
  ['not-json', json({ price: '0x10' })],
  ['not-json', json({ price: 'NaN' })],
  ['not-json', json({ price: '181,85' })],
  ['not-json', json({ size: '1_000' })],
  ['not-json', json({ symbol: "'IBM'" })],
  ['not-json', json({ symbol: '"I\tM"' })],
  ['not-json', json({ note: '\u00a0 1' })],
  ['not-json', '{"symbol":"IBM" "price":1}'],
  ['not-json', '\u0000'],
  ['not-an-object', '7'],
  ['not-an-object', 'null'],
  ['not-an-object', '"IBM"'],
  ['not-an-object', `[${json({})}]`],
  ['line-too-long', json({ note: `"${'x'.repeat(1_048_576)}"` })],
  ['not-utf8', joined('{"symbol":"', Uint8Array.of(0xff), '"}')],
  ['not-utf8', joined('{"symbol":"', Uint8Array.of(0xc3), '"}')],
  ['not-utf8', joined('{"symbol":"', Uint8Array.of(0xed, 0xa0, 0x80), '"}')],
  ['symbol-missing', json({ symbol: undefined })],
  ['symbol-missing', json({ symbol: 'null' })],
  ['symbol-missing', '{}'],
  ['symbol-invalid', json({ symbol: '""' })],
  ['symbol-invalid', json({ symbol: '"  "' })],
  ['symbol-invalid', json({ symbol: '7' })],
  ['symbol-invalid', json({ symbol: '["IBM"]' })],
  ['symbol-invalid', json({ symbol: '"I\\nM"' })],
  ['symbol-invalid', json({ symbol: '"I\u007fM"' })],
  ['symbol-invalid', json({ symbol: '"\\ud800"' })],
  ['symbol-invalid', json({ symbol: `"${'x'.repeat(65)}"` })],
  ['symbol-invalid', json({ symbol: `"${'é'.repeat(33)}"` })],
  ['event-time-missing', json({ eventTimeMs: undefined })],
  ['event-time-missing', json({ eventTimeMs: 'null' })],
  ['event-time-invalid', json({ eventTimeMs: '"1381152600123"' })],
  ['event-time-invalid', json({ eventTimeMs: '1381152600123.5' })],
  ['event-time-invalid', json({ eventTimeMs: '8640000000000001' })],
  ['event-time-invalid', json({ eventTimeMs: '1381152600123000000' })],
  ['event-time-invalid', json({ eventTimeMs: '1e400' })],
  ['event-time-invalid', json({ eventTimeMs: 'true' })],
  ['event-time-invalid', json({ eventTimeMs: '""' })],
  ['price-missing', json({ price: undefined })],
  ['price-missing', json({ price: 'null' })],
  ['price-not-a-number', json({ price: '"n/a"' })],
  ['price-not-a-number', json({ price: '""' })],
  ['price-not-a-number', json({ price: '" 5"' })],
  ['price-not-a-number', json({ price: '"+5"' })],
  ['price-not-a-number', json({ price: '"0x10"' })],
  ['price-not-a-number', json({ price: '"Infinity"' })],
  ['price-not-a-number', json({ price: '"1,5"' })],
  ['price-not-a-number', json({ price: '"."' })],
  ['price-not-a-number', json({ price: '"١"' })],
  ['price-not-a-number', json({ price: 'true' })],
  ['price-not-a-number', json({ price: '[181.85]' })],
  ['price-not-a-number', json({ price: '1e400' })],
  ['price-not-a-number', json({ price: '1.1e100' })],
  ['price-not-positive', json({ price: '0' })],
  ['price-not-positive', json({ price: '-0.0' })],
  ['price-not-positive', json({ price: '-181.85' })],
  ['price-not-positive', json({ price: '1e-400' })],
  ['price-not-positive', json({ price: '9e-101' })],
  ['price-too-precise', json({ price: '1.23456789012345678' })],
  ['price-too-precise', json({ price: '9007199254740993' })],
  ['price-too-precise', json({ price: '"1234567.1234567891"' })],
  ['size-missing', json({ size: undefined })],
  ['size-not-a-number', json({ size: '{}' })],
  ['size-not-a-number', json({ size: '"100 "' })],
  ['size-not-a-number', json({ size: '1.1e100' })],
  ['size-not-positive', json({ size: '0' })],
  ['size-not-positive', json({ size: '9e-101' })],
  ['size-not-positive', json({ size: '"-1"' })],
  ['size-too-precise', json({ size: '"123456789012345678"' })],
  ['trade-id-invalid', json({ tradeId: '""' })],
  ['trade-id-invalid', json({ tradeId: '-17' })],
  ['trade-id-invalid', json({ tradeId: '17.5' })],
  ['trade-id-invalid', json({ tradeId: 'true' })],
  ['trade-id-invalid', json({ tradeId: '{"id":17}' })],
  ['trade-id-invalid', json({ tradeId: '"\\udc00"' })],
  ['trade-id-invalid', json({ tradeId: '"\\u0001"' })],
  ['trade-id-invalid', json({ tradeId: `"${'7'.repeat(129)}"` })],
  ['trade-id-invalid', json({ tradeId: `"${'é'.repeat(65)}"` })],
  ['conditions-invalid', json({ conditions: '"@"' })],
  ['conditions-invalid', json({ conditions: '[1]' })],
  ['conditions-invalid', json({ conditions: '[null]' })],
  ['conditions-invalid', json({ conditions: '{}' })],
  ['conditions-invalid', json({ conditions: `["${'x'.repeat(17)}"]` })],
  ['conditions-invalid', json({ conditions: '["a\\u0000b"]' })],
  ['conditions-invalid', json({ conditions: JSON.stringify(Array(17).fill('@')) })],
];

const csvCases: readonly Case[] = [
  ['csv-column-count', 'IBM,1381152600123,181.85,100,17'],
  ['csv-column-count', 'IBM,1381152600123,181.85,100,17,@,more'],
  ['csv-column-count', 'IBM;1381152600123;181.85;100;17;@'],
  ['csv-column-count', 'hello'],
  ['csv-quote-unclosed', '"IBM,1381152600123,181.85,100,17,@'],
  ['csv-quote-unclosed', 'IBM,1381152600123,181.85,100,17,"@'],
  ['csv-quote-unclosed', '"IBM"x,1381152600123,181.85,100,17,@'],
  ['csv-quote-unclosed', 'IBM,1381152600123,181.85,100,17,"@""'],
  ['not-utf8', joined('IBM,1381152600123,181.85,100,17,', Uint8Array.of(0xe9))],
  ['line-too-long', `IBM,1381152600123,181.85,100,17,${'@'.repeat(1_048_576)}`],
  ['symbol-missing', ',1381152600123,181.85,100,17,@'],
  ['symbol-missing', '  ,1381152600123,181.85,100,17,@'],
  ['symbol-missing', '"",1381152600123,181.85,100,17,@'],
  ['symbol-invalid', `${'x'.repeat(65)},1381152600123,181.85,100,17,@`],
  ['symbol-invalid', '" ",1381152600123,181.85,100,17,@'],
  ['symbol-invalid', 'I\tM,1381152600123,181.85,100,17,@'],
  ['event-time-missing', 'IBM,,181.85,100,17,@'],
  ['event-time-invalid', 'IBM,2013-10-07,181.85,100,17,@'],
  ['event-time-invalid', 'symbol,eventTimeMs,price,size,tradeId,conditions'],
  ['event-time-invalid', 'IBM,1381152600123.5,181.85,100,17,@'],
  ['price-missing', 'IBM,1381152600123,,100,17,@'],
  ['price-not-a-number', 'IBM,1381152600123,$181.85,100,17,@'],
  ['price-not-a-number', 'IBM,1381152600123,NULL,100,17,@'],
  ['price-not-positive', 'IBM,1381152600123,0.00,100,17,@'],
  ['price-too-precise', 'IBM,1381152600123,181.851234567890123,100,17,@'],
  ['size-missing', 'IBM,1381152600123,181.85,,17,@'],
  ['size-not-a-number', 'IBM,1381152600123,181.85,"1,000",17,@'],
  ['size-not-positive', 'IBM,1381152600123,181.85,-100,17,@'],
  ['size-too-precise', 'IBM,1381152600123,181.85,0.123456789012345678,17,@'],
  ['trade-id-invalid', `IBM,1381152600123,181.85,100,${'x'.repeat(129)},@`],
  ['conditions-invalid', `IBM,1381152600123,181.85,100,17,${'x'.repeat(17)}`],
  ['conditions-invalid', `IBM,1381152600123,181.85,100,17,${'@;'.repeat(17)}`],
];

const level = (content: string, timestamp = '1726233671621') =>
  `{"data":[{"service":"LEVELONE_EQUITIES","timestamp":${timestamp},"command":"SUBS","content":${content}}]}`;

const schwabCases: readonly Case[] = [
  ['not-json', 'before'],
  ['not-json', level('[]').slice(0, -1)],
  ['not-an-object', '[]'],
  ['not-utf8', Uint8Array.of(0x7b, 0xff, 0x7d)],
  ['message-invalid', '{}'],
  ['message-invalid', '{"data":{}}'],
  ['message-invalid', '{"data":[7]}'],
  ['message-invalid', '{"data":[{"content":[]}]}'],
  ['message-invalid', level('{"key":"IBM"}')],
  ['message-invalid', level('[null]')],
  ['message-invalid', level('["IBM"]')],
  ['symbol-missing', level('[{"8":5}]')],
  ['symbol-invalid', level('[{"key":7}]')],
  ['symbol-invalid', level('[{"key":""}]')],
  ['price-not-a-number', level('[{"key":"IBM","3":"1.5"}]')],
  ['price-not-positive', level('[{"key":"IBM","3":-1}]')],
  ['size-not-a-number', level('[{"key":"IBM","8":"5"}]')],
  ['size-not-positive', level('[{"key":"IBM","8":-5}]')],
  ['size-not-positive', level('[{"key":"IBM","8":5.5}]')],
  ['size-not-positive', level('[{"key":"IBM","9":-1}]')],
  ['event-time-invalid', level('[{"key":"IBM","35":"now"}]')],
  ['event-time-invalid', level('[{"key":"X","8":99}]', '"now"')],
  ['event-time-missing', level('[{"key":"X","8":99}]', 'null')],
];

const neighbours: readonly {
  readonly format: FeedFormat;
  readonly before: string;
  readonly after: string;
  readonly cases: readonly Case[];
}[] = [
  { format: ndjson, before: `${json({ tradeId: '1' })}\n`, after: `${json({ tradeId: '2' })}\n`, cases: ndjsonCases },
  {
    format: csv,
    before: 'symbol,eventTimeMs,price,size,tradeId,conditions\nIBM,1381152600123,181.85,100,1,@\n',
    after: 'IBM,1381152600123,181.85,100,2,@\n',
    cases: csvCases,
  },
  {
    format: schwab,
    before: `${level('[{"key":"X","3":1.5,"8":1}]')}\n${level('[{"key":"X","8":2}]')}\n`,
    after: `${level('[{"key":"X","8":4}]')}\n`,
    cases: schwabCases,
  },
];

for (const { format, before, after, cases } of neighbours) {
  it.each(cases.map(([reason, line], i) => ({ reason, line, name: `${i + 1}: ${String(line).slice(0, 80)}` })))(
    `${format.name}: $reason, and the neighbours are read, line $name`,
    ({ reason, line }) => {
      for (const end of ['\n', '\r\n']) {
        const bytes = joined(before, line, end, after);
        const { trades, rejected } = read(format, bytes);
        expect(trades).toEqual(read(format, before + after).trades);
        expect(trades).toHaveLength(2);
        expect(rejected.map((entry) => [entry.reason, entry.line])).toEqual([[reason, before.split('\n').length]]);
        expect(read(format, bytes, [bytesOf(before).length + 3, bytes.length - 9])).toEqual(read(format, bytes));
      }
    },
  );
}

it('has a case for every reason that a line can have, but for input that breaks off', () => {
  const told = new Set(neighbours.flatMap(({ cases }) => cases.map(([reason]) => reason)));
  expect([...lineReasons].filter((reason) => !told.has(reason))).toEqual(['input-truncated']);
});

it('rejects one update of a message by itself, at its own bytes', () => {
  const bad = '{"key":"É","3":"x"}';
  const message = level(`[{"key":"A","3":1,"8":1}, ${bad} ,{"key":"B","3":1,"8":1}]`);
  const { trades, rejected } = read(schwab, `\n${message}\n${level('[{"key":"A","8":3},{"key":"B","8":4}]')}`);
  expect(trades.map(({ symbol, size }) => [symbol, size])).toEqual([
    ['A', 2],
    ['B', 3],
  ]);
  expect(rejected).toEqual([
    { line: 2, byteOffset: 1 + bytesOf(message.slice(0, message.indexOf(bad))).length, reason: 'price-not-a-number', sample: bad },
  ]);
});
