import type { RejectedPart } from '../../core/consume.ts';
import { type Frame, FrameBuilder, silentFlag } from '../../core/frame.ts';
import { sampleBytesMax } from '../../core/reasons.ts';
import { type Trade, TradeBatch, tradeIdNumberOf } from '../../core/trade.ts';
import { tradeOfJsonLine } from '../feeds/ndjson-line.ts';
import { isEventTime } from '../feeds/trade-fields.ts';

/**
 * Reads a record of anyone's producer: one trade object, several behind one another or on lines, or an array. `{"heartbeatMs": 1381152600000}`
 * tells a quiet bucket the time. A part that is no trade is rejected by itself, with its index; its entry in the frame says nothing.
 * These frames have no producer sequence: a record that is put twice is seen by its trade ids only.
 */
export function decodeJson(bytes: Uint8Array, bucket: number): { frames: Frame[]; rejected: RejectedPart[] } {
  const parts = partsIn(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  if (parts.length === 0) return { frames: [], rejected: [{ index: 0, reason: 'frame-empty', sample: '' }] };
  const rejected: RejectedPart[] = [];
  const frames: Frame[] = [];
  let builder = new FrameBuilder(bucket, parts.length);
  const names = new TradeBatch(1);
  let lastTimeMs = 0;
  for (const [index, part] of parts.entries()) {
    const read = readPart(part);
    if (typeof read === 'string') rejected.push({ index, reason: read, sample: part.toString('utf8', 0, sampleBytesMax) });
    else lastTimeMs = 'heartbeatMs' in read ? read.heartbeatMs : read.eventTimeMs;
    while (!addEntry(builder, names, read, lastTimeMs)) {
      frames.push(builder.take('', 0));
      builder = new FrameBuilder(bucket, parts.length - index);
    }
  }
  frames.push(builder.take('', 0));
  return { frames, rejected };
}

type Heartbeat = { readonly heartbeatMs: number };
type PartReason = Extract<ReturnType<typeof tradeOfJsonLine>, string>;

function addEntry(builder: FrameBuilder, names: TradeBatch, read: Trade | Heartbeat | PartReason, lastTimeMs: number): boolean {
  if (typeof read === 'string') return builder.addHeartbeat(lastTimeMs, silentFlag);
  if ('heartbeatMs' in read) return builder.addHeartbeat(read.heartbeatMs);
  const { symbol, tradeId = '', conditions = [] } = read;
  const tradeIdNumber = tradeId === '' ? Number.NaN : tradeIdNumberOf(tradeId);
  const set = names.numberOfConditionSet(conditions);
  return builder.addTrade(
    names.numberOfSymbol(symbol),
    symbol,
    read.eventTimeMs,
    read.price,
    read.size,
    tradeIdNumber,
    Number.isNaN(tradeIdNumber) ? tradeId : '',
    set,
    conditions,
    0,
  );
}

function readPart(part: Buffer): Trade | Heartbeat | Exclude<PartReason, 'blank'> {
  const trade = tradeOfJsonLine(part, 0, part.length);
  if (typeof trade !== 'string') return trade;
  if (trade === 'symbol-missing') {
    const { heartbeatMs } = JSON.parse(part.toString('utf8')) as { heartbeatMs?: unknown };
    if (isEventTime(heartbeatMs)) return { heartbeatMs };
  }
  return trade === 'blank' ? 'not-json' : trade;
}

const quote = 0x22;
const backslash = 0x5c;
const lineFeed = 0x0a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
/** What may stand between trades: blanks, commas, and the brackets of an array around them. */
const between = new Set(Buffer.from(' \t\r\n,[]'));

/** The bytes of each object, and of each run of anything else. What is left open at the end is read line by line. */
function partsIn(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (between.has(bytes[at] as number)) {
      at++;
      continue;
    }
    const end = bytes[at] === openBrace ? endOfObject(bytes, at) : endOfOther(bytes, at);
    if (end < 0) return parts.concat(linesIn(bytes.subarray(at)));
    parts.push(bytes.subarray(at, end));
    at = end;
  }
  return parts;
}

/** -1 when it does not end. */
function endOfObject(bytes: Buffer, from: number): number {
  let depth = 0;
  let isText = false;
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at];
    if (isText) {
      if (byte === backslash) at++;
      else if (byte === quote) isText = false;
    } else if (byte === quote) isText = true;
    else if (byte === openBrace) depth++;
    else if (byte === closeBrace && --depth === 0) return at + 1;
  }
  return -1;
}

function endOfOther(bytes: Buffer, from: number): number {
  let at = from;
  while (at < bytes.length && bytes[at] !== openBrace && bytes[at] !== lineFeed) at++;
  return at;
}

/** A broken line is one part; a line that begins anew after it is read by itself. */
function linesIn(bytes: Buffer): Buffer[] {
  const lineEnd = bytes.indexOf(lineFeed);
  if (lineEnd < 0) return [bytes];
  return [bytes.subarray(0, lineEnd), ...partsIn(bytes.subarray(lineEnd + 1))];
}
