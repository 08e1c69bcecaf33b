import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { csv } from '../../../adapters/feeds/csv.ts';
import type { FeedFormat } from '../../../adapters/feeds/feed.ts';
import { ndjson } from '../../../adapters/feeds/ndjson.ts';
import { schwab } from '../../../adapters/feeds/schwab.ts';
import { TradeBatch } from '../../../core/trade.ts';
import { csvHeader, csvRow, inputOf, ndjsonLine, schwabMessage } from './lines-of-input.ts';
import { joined, read } from './reading.ts';
import { tries } from '../../tries.ts';

const feeds: readonly { readonly format: FeedFormat; readonly input: fc.Arbitrary<Uint8Array> }[] = [
  { format: ndjson, input: inputOf(ndjsonLine) },
  { format: csv, input: inputOf(csvRow).map((rows) => joined(`${csvHeader}\n`, rows)) },
  { format: schwab, input: inputOf(schwabMessage) },
];

const cuts = fc.array(fc.nat(2000), { maxLength: 12 });

describe.each(feeds)('the $format.name feed', ({ format, input }) => {
  it('reads the same however the bytes are cut', () => {
    fc.assert(
      fc.property(input, cuts, (bytes, at) => {
        expect(read(format, bytes, at)).toEqual(read(format, bytes));
      }),
      { numRuns: tries(400) },
    );
  });

  it('reads the same in pieces of one byte', () => {
    fc.assert(
      fc.property(input, (bytes) => {
        expect(read(format, bytes, [...bytes.keys()])).toEqual(read(format, bytes));
      }),
      { numRuns: 50 },
    );
  });

  it('goes on from a snapshot as if it had never stopped', () => {
    fc.assert(
      fc.property(input, cuts, fc.nat(13), (bytes, at, resumeAt) => {
        expect(read(format, bytes, at, resumeAt)).toEqual(read(format, bytes));
      }),
      { numRuns: tries(400) },
    );
  });

  it('gives every rejected line with the place and the bytes that it has in the input', () => {
    fc.assert(
      fc.property(input, (bytes) => {
        for (const { line, byteOffset, sample } of read(format, bytes).rejected) {
          expect(bytes.subarray(0, byteOffset).filter((byte) => byte === 10).length).toBe(line - 1);
          const there = new TextDecoder().decode(bytes.subarray(byteOffset, byteOffset + 200));
          expect(there.startsWith(sample.replace(/\ufffd+$/, ''))).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('covers all bytes at the end', () => {
    fc.assert(
      fc.property(input, (bytes) => {
        const decoder = format.decoder();
        const out = { trades: new TradeBatch(), rejected: [] };
        decoder.push(bytes, out);
        decoder.end(out);
        expect(decoder.snapshot().byteOffset).toBe(bytes.length);
      }),
    );
  });
});

it.each(feeds.slice(0, 2))('every line of $format.name is a trade, rejected or blank', ({ format, input }) => {
  fc.assert(
    fc.property(input, (bytes) => {
      const { trades, rejected, counts } = read(format, bytes);
      const headers = format === csv ? 1 : 0;
      const text = Buffer.from(bytes)
        .toString('latin1')
        .replace(/^\xef\xbb\xbf/, '');
      const lines = text.split('\n').length - (text.endsWith('\n') || text === '' ? 1 : 0);
      expect(counts.lines).toBe(lines);
      expect(trades.length + rejected.length + (counts.blankLines as number) + headers).toBe(lines);
    }),
    { numRuns: tries(400) },
  );
});

it('every line of schwab is a message, rejected as a whole or blank', () => {
  fc.assert(
    fc.property(inputOf(schwabMessage), (bytes) => {
      const { trades, rejected, counts } = read(schwab, bytes);
      const whole = rejected.filter(
        ({ byteOffset }) => byteOffset === 0 || bytes[byteOffset - 1] === 10 || (byteOffset === 3 && bytes[0] === 0xef),
      );
      expect((counts.messages as number) + whole.length + (counts.blankLines as number)).toBe(counts.lines);
      expect(counts.trades).toBe(trades.length);
    }),
    { numRuns: tries(400) },
  );
});
