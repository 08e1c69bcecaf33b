import { expect, it } from 'vitest';
import { InputError } from '../../../adapters/errors.ts';
import { csv } from '../../../adapters/feeds/csv.ts';
import { cellsOf } from '../../../adapters/feeds/csv-row.ts';
import { ndjson } from '../../../adapters/feeds/ndjson.ts';
import fc from 'fast-check';
import { read } from './reading.ts';
import { tries } from '../../tries.ts';

const header = 'symbol,eventTimeMs,price,size,tradeId,conditions';
const trade = { symbol: 'IBM', eventTimeMs: 1_381_152_600_123, price: 181.85, size: 100 };

it.each([
  ['columns in another order, with others between', 'side,size,price,eventTimeMs,symbol\nB,100,181.85,1381152600123,IBM', trade],
  ['no last line feed, and carriage returns', `${header}\r\nIBM,1381152600123,181.85,100,,\r`, trade],
  ['a byte order mark', `\ufeff${header}\nIBM,1381152600123,181.85,100,,`, trade],
  ['quoted cells and names', '"symbol","eventTimeMs","price","size"\n"IBM","1381152600123","181.85","100"', trade],
  ['commas and quotes in a quoted cell', 'symbol,note,eventTimeMs,price,size\nIBM,"a ""b"", c",1381152600123,181.85,100', trade],
  ['a quote in the middle of a cell as itself', 'symbol,note,eventTimeMs,price,size\nIBM,5" nails,1381152600123,181.85,100', trade],
  ['blanks around cells and names', 'symbol , eventTimeMs, price, size\n IBM, 1381152600123 ,\t181.85, "100" ', trade],
  ['a trade id and conditions', `${header}\nIBM,1381152600123,181.85,100,17,@;F`, { ...trade, tradeId: '17', conditions: ['@', 'F'] }],
  ['a trade id that is no number', `${header}\nIBM,1381152600123,181.85,100,017,`, { ...trade, tradeId: '017' }],
  ['conditions between blanks', `${header}\nIBM,1381152600123,181.85,100,, @  F `, { ...trade, conditions: ['@', 'F'] }],
  ['a symbol that is not ASCII', `${header}\nÄÖ,1381152600123,181.85,100,,`, { ...trade, symbol: 'ÄÖ' }],
  ['blank lines in front of the header', `\n\n${header}\nIBM,1381152600123,181.85,100,,`, trade],
])('reads %s', (_, text, expected) => {
  expect(read(csv, text)).toMatchObject({ trades: [expected], rejected: [] });
});

it.each([
  ['a column is missing', 'symbol,time,price,volume\n', 'eventTimeMs, size missing, received "symbol", "time", "price", "volume"'],
  ['the header is missing', 'IBM,1381152600123,181.85,100\n', 'the first line must name the columns'],
  ['the delimiter is another', 'symbol;eventTimeMs;price;size\n', 'separate the columns with commas'],
  ['a column is there twice', 'symbol,eventTimeMs,price,size,price\n', '"price" twice'],
  ['a quote is open', '"symbol,eventTimeMs,price,size\n', 'csv-quote-unclosed'],
])('throws once when %s', (_, text, message) => {
  expect(() => read(csv, text)).toThrow(InputError);
  expect(() => read(csv, text)).toThrow(message);
});

it('reads rows as it reads the same fields of JSON lines', () => {
  const field = fc.constantFrom(
    'IBM',
    '0',
    '1',
    '17',
    '1.5',
    '1e3',
    '.5',
    '-1',
    '181.85',
    '1381152600123',
    '1234567890123456789',
    'x'.repeat(70),
    'é',
  );
  fc.assert(
    fc.property(field, field, field, field, field, (symbol, time, price, size, tradeId) => {
      const row = read(csv, `symbol,eventTimeMs,price,size,tradeId\n${[symbol, time, price, size, tradeId].join(',')}`);
      const isNumber = /^-?\d+(\.\d+)?(e\d+)?$/.test(time);
      const line = read(
        ndjson,
        `\n${JSON.stringify({ symbol, price, size, tradeId }).replace('{', `{"eventTimeMs":${isNumber ? time : '""'},`)}`,
      );
      expect(row.trades).toEqual(line.trades);
      expect(row.rejected.map(({ reason }) => reason)).toEqual(line.rejected.map(({ reason }) => reason));
    }),
    { numRuns: tries(3_000) },
  );
});

it('cuts what it quotes', () => {
  const cell = fc.string({ maxLength: 6 }).filter((text) => !/[\r\n]/.test(text));
  fc.assert(
    fc.property(fc.array(cell, { minLength: 1, maxLength: 6 }), (cells) => {
      expect(cellsOf(cells.map((text) => `"${text.replaceAll('"', '""')}"`).join(','))).toEqual(cells);
    }),
  );
});
