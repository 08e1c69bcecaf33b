import type { RejectedPart } from '../../core/consume.ts';
import { type Frame, FrameBuilder, silentFlag } from '../../core/frame.ts';
import { sampleBytesMax } from '../../core/reasons.ts';
import { type Trade, TradeBatch } from '../../core/trade.ts';
import { tradeOfJsonLine } from '../feeds/ndjson-line.ts';
import { addTrade, isEventTime } from '../feeds/trade-fields.ts';

/**
 * Reads a record of anyone's producer: one trade object, several behind one another or on lines, or an array. `{"heartbeatMs": 1381152600000}`
 * tells a quiet bucket the time. A part that is no trade is rejected by itself, with its index; its entry in the frame says nothing.
 * These frames have no producer sequence: a record that is put twice is seen by its trade ids only.
 */
export function decodeJson(bytes: Uint8Array, bucket: number): { frames: Frame[]; rejected: RejectedPart[] } {
  const parts = partsIn(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)).flatMap(linesOfBroken);
  if (parts.length === 0) return { frames: [], rejected: [{ index: 0, reason: 'frame-empty', sample: '' }] };
  const rejected: RejectedPart[] = [];
  const frames: Frame[] = [];
  let builder = new FrameBuilder(bucket, parts.length);
  const batch = new TradeBatch(1);
  let lastTimeMs = 0;
  for (const [index, part] of parts.entries()) {
    const read = readPart(part);
    if (typeof read === 'string') rejected.push({ index, reason: read, sample: part.toString('utf8', 0, sampleBytesMax) });
    else lastTimeMs = 'heartbeatMs' in read ? read.heartbeatMs : read.eventTimeMs;
    while (!addEntry(builder, batch, read, lastTimeMs)) {
      frames.push(builder.take('', 0));
      builder = new FrameBuilder(bucket, parts.length - index);
    }
  }
  frames.push(builder.take('', 0));
  return { frames, rejected };
}

type Heartbeat = { readonly heartbeatMs: number };
type PartReason = Extract<ReturnType<typeof tradeOfJsonLine>, string>;

function addEntry(builder: FrameBuilder, batch: TradeBatch, read: Trade | Heartbeat | PartReason, lastTimeMs: number): boolean {
  if (typeof read === 'string') return builder.addHeartbeat(lastTimeMs, silentFlag);
  if ('heartbeatMs' in read) return builder.addHeartbeat(read.heartbeatMs);
  batch.clear();
  addTrade(batch, read);
  return builder.addTrade(batch, 0);
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

/** The bytes of each object, and of each run of anything else. Where an object does not end, its line is broken and the next begins anew. */
function partsIn(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  let ends: Map<number, number> | undefined;
  let at = 0;
  while (at < bytes.length) {
    if (between.has(bytes[at] as number)) {
      at++;
      continue;
    }
    let end = endOfOther(bytes, at);
    if (bytes[at] === openBrace) {
      end = ends === undefined ? endOfObject(bytes, at) : (ends.get(at) ?? -1);
      if (end < 0) {
        ends ??= endsOfObjects(bytes, at);
        end = endOfLine(bytes, at);
      }
    }
    parts.push(bytes.subarray(at, end));
    at = end;
  }
  return parts;
}

/** A brace too few and one too many further on make one broken object of all between: if a line of it is a trade, its lines stand alone. */
function linesOfBroken(part: Buffer): Buffer[] {
  if (!part.includes(lineFeed) || isJson(part)) return [part];
  const lines: Buffer[] = [];
  for (let at = 0; at < part.length; at = endOfLine(part, at) + 1) lines.push(...partsIn(part.subarray(at, endOfLine(part, at))));
  return lines.some((line) => typeof tradeOfJsonLine(line, 0, line.length) !== 'string') ? lines : [part];
}

function isJson(part: Buffer): boolean {
  try {
    JSON.parse(part.toString('utf8'));
    return true;
  } catch {
    return false;
  }
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

/**
 * Behind an object that does not end: where every object ends that does, nested ones too. A line never begins inside a text. Found in one
 * pass, for to look from each brace to the end of the record takes minutes when no object ends.
 */
function endsOfObjects(bytes: Buffer, from: number): Map<number, number> {
  const ends = new Map<number, number>();
  const open: number[] = [];
  let isText = false;
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === lineFeed) isText = false;
    else if (isText) {
      if (byte === backslash && bytes[at + 1] !== lineFeed) at++;
      else if (byte === quote) isText = false;
    } else if (byte === quote) isText = true;
    else if (byte === openBrace) open.push(at);
    else if (byte === closeBrace && open.length > 0) ends.set(open.pop() as number, at + 1);
  }
  return ends;
}

function endOfOther(bytes: Buffer, from: number): number {
  let at = from;
  while (at < bytes.length && bytes[at] !== openBrace && bytes[at] !== lineFeed) at++;
  return at;
}

function endOfLine(bytes: Buffer, from: number): number {
  const lineEnd = bytes.indexOf(lineFeed, from);
  return lineEnd < 0 ? bytes.length : lineEnd;
}
