import { expect, it } from 'vitest';
import { csv } from '../../../adapters/feeds/csv.ts';
import type { FeedFormat } from '../../../adapters/feeds/feed.ts';
import { ndjson } from '../../../adapters/feeds/ndjson.ts';
import { tradeOfJsonLine } from '../../../adapters/feeds/ndjson-line.ts';
import { schwab } from '../../../adapters/feeds/schwab.ts';
import { TradeBatch } from '../../../core/trade.ts';
import { bytesOf } from './reading.ts';
import { heldBytes } from '../../held-bytes.ts';
import { randomOf } from '../../core/support/stream.ts';
import { tries } from '../../tries.ts';

const lineCount = tries(1_000_000, { part: 1 / 10 });
const seed = Number(process.env.TAPELINE_FUZZ_SEED ?? 20_261_123);
const round = 50;

const json = '{"symbol":"IBM","eventTimeMs":1381152600123,"price":181.85,"size":100,"tradeId":"17","conditions":["@","F"]}';
const row = 'IBM,1381152600123,181.85,100,17,@;F,"a ""note"""';
const message = (volume: number) =>
  `{"data":[{"service":"LEVELONE_EQUITIES","timestamp":1726233671621,"content":[{"key":"X","3":1.5,"8":${volume}},{"key":"Y","9":5}]}]}`;

type Subject = {
  readonly format: FeedFormat;
  readonly share: number;
  readonly header: string;
  readonly seeds: readonly string[];
  /** The good line number `i` and the symbol of its trade; sizes differ from all that is made by chance. */
  readonly good: (i: number) => string;
  readonly marker: string;
};

const subjects: readonly Subject[] = [
  {
    format: ndjson,
    share: 0.5,
    header: '',
    seeds: [json, json.replace('"17"', '17'), json.replace('IBM', 'ÄÖ💹')],
    good: (i) => json.replace('IBM', 'GOOD').replace(':100', `:${i + 1}`),
    marker: 'GOOD',
  },
  {
    format: csv,
    share: 0.35,
    header: 'symbol,eventTimeMs,price,size,tradeId,conditions,note\n',
    seeds: [row, row.replace('IBM', '"ÄÖ"')],
    good: (i) => row.replace('IBM', 'GOOD').replace(',100', `,${i + 1}`),
    marker: 'GOOD',
  },
  {
    format: schwab,
    share: 0.15,
    header: `${message(1).replace('"X"', '"GOOD"')}\n`,
    seeds: [message(100)],
    good: (i) => message(i + 2).replace('"X"', '"GOOD"'),
    marker: 'GOOD',
  },
];

it.each(subjects)(
  '$format.name throws on no bytes and keeps every good line between them',
  ({ format, share, header, seeds, good, marker }) => {
    const random = randomOf(seed);
    const decoder = format.decoder();
    const out = { trades: new TradeBatch(), rejected: [] };
    decoder.push(bytesOf(header), out);
    let goodCount = 0;
    const heaps: number[] = [];
    for (let fed = 0; fed < lineCount * share; fed += round) {
      const parts: Uint8Array[] = [];
      for (let i = 0; i < round; i++) parts.push(badLine(random, seeds), lineEnd, bytesOf(`${good(goodCount + i)}\n`));
      pushInPieces(decoder, Buffer.concat(parts), random, out);
      goodCount += round;
      const number = out.trades.symbols.indexOf(marker);
      const kept = sizesOf(out.trades, number);
      const wanted = Array.from({ length: round }, (_, i) => (format === schwab ? 1 : goodCount - round + i + 1));
      if (kept.join() !== wanted.join()) expect({ fed, kept }).toEqual({ fed, kept: wanted });
      out.trades.clear();
      out.rejected.length = 0;
      // The numbering of a batch is for its life, and made-up symbols are without number.
      if (out.trades.symbols.length > 5_000 || out.trades.conditionSets.length > 5_000) {
        out.trades = new TradeBatch();
        heaps.push(heldBytes());
      }
    }
    // What the decoder itself knows of made-up symbols is bounded.
    expect((heaps.at(-1) ?? 0) - (heaps[Math.floor(heaps.length / 4)] ?? 0)).toBeLessThan(8 * 1024 * 1024);
    expect(decoder.counts.lines).toBeGreaterThanOrEqual(goodCount * 2);
  },
);

it('the scanner and the careful path say the same of every fuzzed line', () => {
  const random = randomOf(seed + 1);
  const decoder = ndjson.decoder();
  const seeds = subjects[0]?.seeds as readonly string[];
  for (let i = 0; i < lineCount * 0.3; i++) {
    const line = badLine(random, seeds);
    const out = { trades, rejected: [] as { reason: string }[] };
    trades.clear();
    decoder.push(line, out as never);
    decoder.push(lineEnd, out as never);
    const careful = tradeOfJsonLine(line, 0, line.length);
    const said =
      out.trades.length === 1
        ? [out.trades.price[0], out.trades.size[0], out.trades.eventTimeMs[0], out.trades.symbols[out.trades.symbolNumber[0] as number]]
        : (out.rejected[0]?.reason ?? 'blank');
    const meant = typeof careful === 'string' ? careful : [careful.price, careful.size, careful.eventTimeMs, careful.symbol];
    if (String(said) !== String(meant))
      expect({ line: Buffer.from(line).toString(), said }).toEqual({ line: Buffer.from(line).toString(), said: meant });
  }
});

const trades = new TradeBatch();
const lineEnd = Uint8Array.of(0x0a);
const tokens = [
  '"',
  '\\',
  ',',
  ':',
  '{',
  '}',
  '[',
  ']',
  '0',
  '9',
  '.',
  'e',
  '-',
  ' ',
  '\t',
  '\r',
  'null',
  '\\u0000',
  '\\ud800',
  '""',
  '"price":',
  '1e999',
  '\ufeff',
  'é',
  '\u0000',
].map(bytesOf);

/** A line without a line feed: chance bytes, or a good line with some places changed. */
function badLine(random: () => number, seeds: readonly string[]): Uint8Array {
  if (random() < 0.1) return Uint8Array.from({ length: Math.floor(random() * 40) }, () => withoutFeed(Math.floor(random() * 256)));
  let line: Uint8Array = bytesOf(seeds[Math.floor(random() * seeds.length)] as string);
  for (let changes = 1 + Math.floor(random() * 3); changes > 0; changes--) {
    const at = Math.floor(random() * line.length);
    const kind = random();
    if (kind < 0.4) line[at] = withoutFeed(Math.floor(random() * 256));
    else if (kind < 0.6) line = Buffer.concat([line.subarray(0, at), line.subarray(at + 1 + Math.floor(random() * 4))]);
    else if (kind < 0.9)
      line = Buffer.concat([line.subarray(0, at), tokens[Math.floor(random() * tokens.length)] as Uint8Array, line.subarray(at)]);
    else line = line.subarray(0, at);
  }
  return line;
}

function withoutFeed(byte: number): number {
  return byte === 0x0a ? 0x0b : byte;
}

function pushInPieces(
  decoder: ReturnType<FeedFormat['decoder']>,
  bytes: Uint8Array,
  random: () => number,
  out: Parameters<typeof decoder.push>[1],
): void {
  const at = Math.floor(random() * bytes.length);
  decoder.push(bytes.subarray(0, at), out);
  decoder.push(bytes.subarray(at), out);
}

function sizesOf(batch: TradeBatch, symbolNumber: number): number[] {
  const sizes: number[] = [];
  for (let i = 0; i < batch.length; i++) if (batch.symbolNumber[i] === symbolNumber) sizes.push(batch.size[i] as number);
  return sizes;
}
