import { csv } from '../adapters/feeds/csv.ts';
import type { FeedFormat } from '../adapters/feeds/feed.ts';
import { ndjson } from '../adapters/feeds/ndjson.ts';
import { Random } from '../core/simulation-random.ts';
import { TradeBatch } from '../core/trade.ts';
import { against, type Suite } from './suite.ts';

/** Lines to the trade batch, without bars, each against `JSON.parse` of the same lines cut from one text. */
export const feedRows: Suite = {
  name: 'feeds',
  summary: 'ndjson and csv lines to trades, against JSON.parse of each line',
  run: async ({ tradeCount, progress }) => {
    progress('reading lines');
    const measures = benchFeeds({ lineCount: Math.min(tradeCount, 1_000_000) });
    const nsOf = (name: string) => measures.find((measure) => measure.name === name)?.nsPerLine ?? Number.NaN;
    const peer = 'JSON.parse of each line';
    return ['ndjson', 'ndjson, with tradeId', 'ndjson, with tradeId and conditions'].map((name) =>
      against(`${name} / JSON.parse`, nsOf(name), nsOf(name.replace('ndjson', peer)), undefined, 'ns/line'),
    );
  },
};

type FeedMeasure = { readonly name: string; readonly lines: number; readonly bytesPerLine: number; readonly nsPerLine: number };

type Case = { readonly name: string; readonly text: string; readonly read: (bytes: Uint8Array) => number };

/** Bytes of one chunk, as a file is read. */
const chunkBytes = 262_144;
const rounds = 5;

/** Nanoseconds a line, from bytes to the trade batch; the best of five rounds, the cases taken in turn. */
function benchFeeds({ lineCount = 1_000_000 }: { readonly lineCount?: number } = {}): readonly FeedMeasure[] {
  const plain = linesOf(lineCount, ndjsonLine);
  const withIds = linesOf(lineCount, ndjsonLineWithId);
  const withConditions = linesOf(lineCount, ndjsonLineWithConditions);
  const rows = `symbol,eventTimeMs,price,size\n${linesOf(lineCount, csvRow)}`;
  const cases: readonly Case[] = [
    { name: 'JSON.parse of each line', text: plain, read: parseEachLine },
    { name: 'JSON.parse of each line, with tradeId', text: withIds, read: parseEachLine },
    { name: 'JSON.parse of each line, with tradeId and conditions', text: withConditions, read: parseEachLine },
    { name: 'ndjson', text: plain, read: (bytes) => decode(ndjson, bytes) },
    { name: 'ndjson, with tradeId', text: withIds, read: (bytes) => decode(ndjson, bytes) },
    { name: 'ndjson, with tradeId and conditions', text: withConditions, read: (bytes) => decode(ndjson, bytes) },
    { name: 'csv', text: rows, read: (bytes) => decode(csv, bytes) },
  ];
  const inputs = cases.map(({ text }) => new TextEncoder().encode(text));
  const best = cases.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { name, read }] of cases.entries()) {
      const before = process.hrtime.bigint();
      const trades = read(inputs[i] as Uint8Array);
      const ns = Number(process.hrtime.bigint() - before);
      if (trades !== lineCount) throw new Error(`${name} must read ${lineCount} trades, received "${trades}"`);
      best[i] = Math.min(best[i] as number, ns / lineCount);
    }
  }
  return cases.map(({ name }, i) => ({
    name,
    lines: lineCount,
    bytesPerLine: Math.round((inputs[i] as Uint8Array).length / lineCount),
    nsPerLine: Math.round(best[i] as number),
  }));
}

function decode(format: FeedFormat, bytes: Uint8Array): number {
  const decoder = format.decoder();
  const out = { trades: new TradeBatch(), rejected: [] };
  let trades = 0;
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    decoder.push(bytes.subarray(at, at + chunkBytes), out);
    trades += out.trades.length;
    out.trades.clear();
  }
  decoder.end(out);
  return trades + out.trades.length;
}

function parseEachLine(bytes: Uint8Array): number {
  const text = new TextDecoder().decode(bytes);
  let trades = 0;
  let start = 0;
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
    const trade: { readonly price: number } = JSON.parse(text.slice(start, end));
    if (trade.price > 0) trades++;
    start = end + 1;
  }
  return trades;
}

type Fields = {
  readonly symbol: string;
  readonly eventTimeMs: number;
  readonly price: string;
  readonly size: number;
  readonly tradeId: number;
};

function linesOf(lineCount: number, line: (fields: Fields) => string): string {
  const random = new Random({ seed: 7, stream: 0 });
  const lines: string[] = [];
  for (let i = 0; i < lineCount; i++) {
    const price = (5 + random.unit() * 500).toFixed(random.unit() < 0.8 ? 2 : 4);
    lines.push(
      line({
        symbol: symbolOf(Math.floor(random.unit() ** 2 * 1500)),
        eventTimeMs: 1_726_233_671_621 + i,
        price,
        size: 1 + Math.floor(random.unit() ** 3 * 900),
        tradeId: 71_000_000 + i,
      }),
    );
  }
  return `${lines.join('\n')}\n`;
}

function ndjsonLine({ symbol, eventTimeMs, price, size }: Fields): string {
  return `{"symbol":"${symbol}","eventTimeMs":${eventTimeMs},"price":${Number(price)},"size":${size}}`;
}

function ndjsonLineWithId({ symbol, eventTimeMs, price, size, tradeId }: Fields): string {
  return `{"symbol":"${symbol}","eventTimeMs":${eventTimeMs},"price":${Number(price)},"size":${size},"tradeId":"${tradeId}"}`;
}

function ndjsonLineWithConditions({ symbol, eventTimeMs, price, size, tradeId }: Fields): string {
  const conditions = tradeId % 3 === 0 ? '["@","F"]' : tradeId % 7 === 0 ? '["@","T","I"]' : '["@"]';
  return `{"symbol":"${symbol}","eventTimeMs":${eventTimeMs},"price":${Number(price)},"size":${size},"tradeId":"${tradeId}","conditions":${conditions}}`;
}

function csvRow({ symbol, eventTimeMs, price, size }: Fields): string {
  return `${symbol},${eventTimeMs},${price},${size}`;
}

/** 1,500 tickers of one to four letters. */
function symbolOf(number: number): string {
  let rest = number * 37 + 11;
  let symbol = '';
  do {
    symbol += String.fromCharCode(65 + (rest % 26));
    rest = Math.floor(rest / 26);
  } while (rest > 0);
  return symbol;
}
