import { describe, expect, it } from 'vitest';
import type { LineReason, FrameReason } from '../../../core/reasons.ts';
import { readRecord, startMs } from './reading.ts';

const trade = (price: number) => ({ symbol: 'IBM', eventTimeMs: startMs, price, size: 100 });
const line = (price: number) => JSON.stringify(trade(price));
const pretty = (price: number) => JSON.stringify(trade(price), undefined, 2);
const invalidUtf8 = (before: string, after: string) => Buffer.concat([Buffer.from(before), Buffer.from([0xc3, 0x28]), Buffer.from(after)]);

type JsonCase = {
  readonly what: string;
  readonly data: string | Uint8Array;
  /** The prices of the trades that survive. */
  readonly prices: readonly number[];
  readonly rejected?: readonly (readonly [number, LineReason | FrameReason])[];
  readonly heartbeatsMs?: readonly number[];
};

const cases: readonly JsonCase[] = [
  { what: 'one trade', data: line(1), prices: [1] },
  { what: 'one trade and a line end', data: `${line(1)}\r\n`, prices: [1] },
  { what: 'blanks before it', data: ` \t\n${line(1)}`, prices: [1] },
  { what: 'trades on lines', data: `${line(1)}\n${line(2)}\n${line(3)}`, prices: [1, 2, 3] },
  { what: 'trades behind one another', data: `${line(1)}${line(2)} ${line(3)}`, prices: [1, 2, 3] },
  { what: 'an array', data: JSON.stringify([trade(1), trade(2)]), prices: [1, 2] },
  { what: 'a pretty-printed array', data: JSON.stringify([trade(1), trade(2)], undefined, 2), prices: [1, 2] },
  { what: 'pretty-printed trades', data: `${pretty(1)}\n${pretty(2)}`, prices: [1, 2] },
  { what: 'nested values and braces in texts', data: `{"x":{"y":[{"z":"}{\\"\\\\"}]},${line(1).slice(1)}\n${line(2)}`, prices: [1, 2] },
  { what: 'an empty array', data: '[]', prices: [], rejected: [[0, 'frame-empty']] },
  { what: 'blanks only', data: ' \n\n', prices: [], rejected: [[0, 'frame-empty']] },
  { what: 'an array of arrays', data: JSON.stringify([[trade(1)], [trade(2)]]), prices: [1, 2] },
  { what: 'an object that is no trade', data: `{}\n${line(1)}`, prices: [1], rejected: [[0, 'symbol-missing']] },
  {
    what: 'a number, a text and null',
    data: `1\n"x"\nnull\n${line(1)}`,
    prices: [1],
    rejected: [
      [0, 'not-an-object'],
      [1, 'not-an-object'],
      [2, 'not-an-object'],
    ],
  },
  { what: 'words', data: `hello world\n${line(1)}`, prices: [1], rejected: [[0, 'not-json']] },
  {
    what: 'a broken object between good ones on lines',
    data: `${line(1)}\n{"symbol":"IBM",\n${line(2)}`,
    prices: [1, 2],
    rejected: [[1, 'not-json']],
  },
  {
    what: 'a broken object between good ones on one line',
    data: `${line(1)}{"symbol":IBM}${line(2)}`,
    prices: [1, 2],
    rejected: [[1, 'not-json']],
  },
  {
    what: 'an object broken in a text',
    data: `${line(1)}\n{"symbol":"IB\n${line(2)}\n${line(3)}`,
    prices: [1, 2, 3],
    rejected: [[1, 'not-json']],
  },
  {
    what: 'two objects broken in a text',
    data: `{"a":"\n${line(1)}\n{"b":"\n${line(2)}`,
    prices: [1, 2],
    rejected: [
      [0, 'not-json'],
      [2, 'not-json'],
    ],
  },
  { what: 'a brace too many', data: `${line(1)}}\n${line(2)}`, prices: [1, 2], rejected: [[1, 'not-json']] },
  {
    what: 'a brace too few and later one too many',
    data: `{"a":1\n${line(1)}\n${line(2)}\n}\n${line(3)}`,
    prices: [1, 2, 3],
    rejected: [
      [0, 'not-json'],
      [3, 'not-json'],
    ],
  },
  {
    what: 'a broken object between pretty-printed ones',
    data: `${pretty(1)}\n{"symbol": oops}\n${pretty(2)}`,
    prices: [1, 2],
    rejected: [[1, 'not-json']],
  },
  {
    what: 'a pretty-printed object with a broken line',
    data: `${pretty(1)}\n{\n  "symbol": oops\n}\n${pretty(2)}`,
    prices: [1, 2],
    rejected: [[1, 'not-json']],
  },
  {
    what: 'pretty-printed trades behind one that does not end',
    data: `{"symbol":\n${pretty(1)}\n${pretty(2)}`,
    prices: [1, 2],
    rejected: [[0, 'not-json']],
  },
  { what: 'a cut at the end', data: `${line(1)}\n${line(2).slice(0, -9)}`, prices: [1], rejected: [[1, 'not-json']] },
  { what: 'one cut trade', data: line(1).slice(0, -1), prices: [], rejected: [[0, 'not-json']] },
  {
    what: 'bytes that are no UTF-8',
    data: invalidUtf8(`${line(1)}\n{"symbol":"`, `","eventTimeMs":1}\n${line(2)}`),
    prices: [1, 2],
    rejected: [[1, 'not-utf8']],
  },
  {
    what: 'bad values between good ones',
    data: [line(1), line(0), line(-1), '{"symbol":"IBM"}', line(2)].join('\n'),
    prices: [1, 2],
    rejected: [
      [1, 'price-not-positive'],
      [2, 'price-not-positive'],
      [3, 'event-time-missing'],
    ],
  },
  { what: 'a heartbeat', data: `{"heartbeatMs":${startMs}}`, prices: [], heartbeatsMs: [startMs] },
  {
    what: 'heartbeats between trades',
    data: `${line(1)}\n{"heartbeatMs":${startMs + 1}}\n${line(2)}`,
    prices: [1, 2],
    heartbeatsMs: [startMs + 1],
  },
  {
    what: 'a heartbeat of no time',
    data: '{"heartbeatMs":"now"}{"heartbeatMs":1.5}{"heartbeatMs":1e300}',
    prices: [],
    rejected: [
      [0, 'symbol-missing'],
      [1, 'symbol-missing'],
      [2, 'symbol-missing'],
    ],
  },
  {
    what: 'trades months apart',
    data: [startMs, startMs + 1e10, startMs].map((eventTimeMs, i) => JSON.stringify({ ...trade(i + 1), eventTimeMs })).join('\n'),
    prices: [1, 2, 3],
  },
  { what: 'commas between', data: `${line(1)},${line(2)},`, prices: [1, 2] },
  { what: 'a lone bracket', data: `[${line(1)}`, prices: [1] },
];

describe('a JSON record', () => {
  it.each(cases)('$what', ({ data, prices, rejected = [], heartbeatsMs = [] }) => {
    const read = readRecord(Buffer.from(data));
    expect({ prices: read.trades.map(({ price }) => price), rejected: read.rejected, heartbeatsMs: read.heartbeatsMs }).toEqual({
      prices,
      rejected,
      heartbeatsMs,
    });
  });

  it('keeps ids, conditions and digits', () => {
    const full = { symbol: 'BRK.B', eventTimeMs: -1, price: '0.1', size: 1e-7, tradeId: 9007199254740993n, conditions: ['@', 'I'] };
    const data = JSON.stringify(full, (_, value) => (typeof value === 'bigint' ? String(value) : (value as unknown)));
    expect(readRecord(Buffer.from(data)).trades).toEqual([{ ...full, price: 0.1, tradeId: '9007199254740993' }]);
  });

  it.each([
    ['open braces on lines', '{\n'],
    ['open braces', '{'],
    ['open texts', '{"'],
    ['open texts on lines', '{"\n'],
    ['empty objects', '{}'],
    ['nested and closed on lines', '{\n', '}\n'],
    ['lines of commas', ',\n'],
    ['backslashes in a text', '\\'],
    ['deep arrays in an object', '['],
  ])('is read in a moment when it is 250,000 bytes of %s', (_, open, close = '') => {
    const count = Math.floor(250_000 / (open + close).length);
    const data = Buffer.from(
      open.startsWith('{') || open.startsWith(',') ? open.repeat(count) + close.repeat(count) : `{"a":"${open.repeat(count)}`,
    );
    // What grows with the square of the length takes minutes.
    const before = process.cpuUsage();
    expect(readRecord(data).trades).toEqual([]);
    expect(process.cpuUsage(before).user / 1e6).toBeLessThan(15);
  });
});
