import { crc32 } from 'node:zlib';
import type { RejectedPart } from '../../core/consume.ts';
import { type Frame, heartbeatIndex, silentFlag } from '../../core/frame.ts';
import { type FrameReason, type QuarantineReason, sampleBytesMax } from '../../core/reasons.ts';
import { eventTimeMaxMs } from '../../core/trade.ts';

/**
 * The packed frame, little-endian, 24 bytes a trade and 8 more with numeric trade ids:
 *
 * | offset | type | what |
 * |---|---|---|
 * | 0 | 4 bytes | F7 'T' 'P' 'F'; the first byte cannot begin JSON |
 * | 4 | u8 | version, 1 |
 * | 5 | u8 | bit 0: has numeric trade ids |
 * | 6 | u16 | bucket |
 * | 8 | u32 | entries |
 * | 12 | u32 | CRC-32 of all bytes but these four |
 * | 16 | f64 | base time, Unix ms |
 * | 24 | f64 | producer sequence, 0 for none |
 * | 32 | u32 | bytes of text |
 * | 40 | f64[n] | price; then f64[n] size; then, if any, f64[n] trade id, NaN for none |
 * | | u32[n] | ms after the base time |
 * | | u16[n] | symbol index, 65535 for a heartbeat |
 * | | u8[n] | condition set index; then u8[n] flags |
 * | | text | JSON `[producerId, symbols, conditionSets, textIds or null]`, UTF-8 |
 */
const magic = 0x465054f7;
const version = 1;
const headBytes = 40;
const hasNumberIds = 1;
export const packedFirstByte = 0xf7;
/** Kinesis' record limit (1 MiB by default). */
export const frameBytesMax = 1024 * 1024;

export function encodePacked(frame: Frame): Uint8Array {
  const { count } = frame;
  const textIds = frame.tradeIdText?.slice(0, count) ?? null;
  const text = Buffer.from(JSON.stringify([frame.producerId, frame.symbols, frame.conditionSets, textIds]));
  const columns = columnsOf(count, frame.tradeIdNumber !== undefined);
  const bytes = new Uint8Array(new ArrayBuffer(columns.end + text.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setUint8(4, version);
  view.setUint8(5, frame.tradeIdNumber === undefined ? 0 : hasNumberIds);
  view.setUint16(6, frame.bucket, true);
  view.setUint32(8, count, true);
  view.setFloat64(16, frame.baseTimeMs, true);
  view.setFloat64(24, frame.producerSequence, true);
  view.setUint32(32, text.length, true);
  const put = (column: Float64Array | Uint32Array | Uint16Array | Uint8Array, at: number) =>
    bytes.set(new Uint8Array(column.buffer, column.byteOffset, count * column.BYTES_PER_ELEMENT), at);
  put(frame.price, columns.price);
  put(frame.size, columns.size);
  if (frame.tradeIdNumber !== undefined) put(frame.tradeIdNumber, columns.tradeIdNumber);
  put(frame.timeOffsetMs, columns.timeOffsetMs);
  put(frame.symbolIndex, columns.symbolIndex);
  put(frame.conditionIndex, columns.conditionIndex);
  put(frame.flags, columns.flags);
  bytes.set(text, columns.end);
  view.setUint32(12, checksumOf(bytes), true);
  return bytes;
}

export type DecodedFrame = { readonly frame: Frame | undefined; readonly rejected: RejectedPart[] };

/**
 * The frame in these bytes, as views on them where they are aligned. A frame that cannot be read is one rejected part; a bad trade in a good
 * frame is one rejected part too, and its entry becomes one that says nothing, so that its neighbours keep their positions.
 */
export function decodePacked(bytes: Uint8Array): DecodedFrame {
  const reason = headReason(bytes);
  if (reason !== undefined) return rejectedWhole(bytes, reason);
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
  const view = new DataView(aligned.buffer, aligned.byteOffset, aligned.length);
  const count = view.getUint32(8, true);
  const withNumberIds = (view.getUint8(5) & hasNumberIds) !== 0;
  const columns = columnsOf(count, withNumberIds);
  const texts = textsOfFrame(view.getUint16(6, true), count, aligned.subarray(columns.end));
  if (texts === undefined || (texts.tradeIdText !== undefined && texts.tradeIdText.length !== count))
    return rejectedWhole(bytes, 'frame-malformed');
  const { buffer, byteOffset } = aligned;
  const frame: Frame = {
    bucket: view.getUint16(6, true),
    producerId: texts.producerId,
    producerSequence: view.getFloat64(24, true),
    count,
    symbols: texts.symbols,
    conditionSets: texts.conditionSets,
    baseTimeMs: view.getFloat64(16, true),
    price: new Float64Array(buffer, byteOffset + columns.price, count),
    size: new Float64Array(buffer, byteOffset + columns.size, count),
    tradeIdNumber: withNumberIds ? new Float64Array(buffer, byteOffset + columns.tradeIdNumber, count) : undefined,
    timeOffsetMs: new Uint32Array(buffer, byteOffset + columns.timeOffsetMs, count),
    symbolIndex: new Uint16Array(buffer, byteOffset + columns.symbolIndex, count),
    conditionIndex: new Uint8Array(buffer, byteOffset + columns.conditionIndex, count),
    flags: new Uint8Array(buffer, byteOffset + columns.flags, count),
    tradeIdText: texts.tradeIdText,
  };
  if (!Number.isSafeInteger(frame.baseTimeMs) || !Number.isSafeInteger(frame.producerSequence) || frame.producerSequence < 0)
    return rejectedWhole(bytes, 'frame-malformed');
  return withoutBadTrades(frame);
}

function columnsOf(count: number, withNumberIds: boolean) {
  const price = headBytes;
  const size = price + count * 8;
  const tradeIdNumber = size + count * 8;
  const timeOffsetMs = tradeIdNumber + (withNumberIds ? count * 8 : 0);
  const symbolIndex = timeOffsetMs + count * 4;
  const conditionIndex = symbolIndex + count * 2;
  const flags = conditionIndex + count;
  return { price, size, tradeIdNumber, timeOffsetMs, symbolIndex, conditionIndex, flags, end: flags + count };
}

/** The version is looked at before the checksum: a newer version may have another layout. */
function headReason(bytes: Uint8Array): FrameReason | undefined {
  if (bytes.length > frameBytesMax) return 'frame-too-large';
  if (bytes.length < headBytes) return 'frame-truncated';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== magic) return 'frame-unknown-encoding';
  if (view.getUint8(4) !== version) return 'frame-version-unsupported';
  const columns = columnsOf(view.getUint32(8, true), (view.getUint8(5) & hasNumberIds) !== 0);
  const length = columns.end + view.getUint32(32, true);
  if (bytes.length < length) return 'frame-truncated';
  if (bytes.length > length) return 'frame-malformed';
  return checksumOf(bytes) === view.getUint32(12, true) ? undefined : 'frame-checksum-mismatch';
}

function checksumOf(bytes: Uint8Array): number {
  return crc32(bytes.subarray(16), crc32(bytes.subarray(0, 12)));
}

/** Texts of large frames by bucket, with their bytes: a producer goes on with a dictionary that is small beside its frame. */
const knownTexts = new Map<number, { readonly bytes: Uint8Array; readonly texts: Texts }>();
const knownFrom = 1024;
const knownBytesMax = 4 * 1024 * 1024;
let knownBytes = 0;

function textsOfFrame(bucket: number, count: number, bytes: Uint8Array): Texts | undefined {
  if (count < knownFrom) return textsOf(bytes);
  const known = knownTexts.get(bucket);
  if (known !== undefined && Buffer.compare(known.bytes, bytes) === 0) return known.texts;
  const texts = textsOf(bytes);
  if (texts !== undefined && texts.tradeIdText === undefined) rememberTexts(bucket, bytes, texts);
  return texts;
}

function rememberTexts(bucket: number, bytes: Uint8Array, texts: Texts): void {
  knownBytes += bytes.length - (knownTexts.get(bucket)?.bytes.length ?? 0);
  if (knownBytes > knownBytesMax) {
    knownTexts.clear();
    knownBytes = bytes.length;
  }
  knownTexts.set(bucket, { bytes: bytes.slice(), texts });
}

type Texts = { producerId: string; symbols: string[]; conditionSets: string[][]; tradeIdText: string[] | undefined };

function textsOf(bytes: Uint8Array): Texts | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'));
  } catch {
    return undefined;
  }
  if (!Array.isArray(value) || value.length !== 4) return undefined;
  const [producerId, symbols, conditionSets, tradeIdText] = value as unknown[];
  const areTexts = (texts: unknown): texts is string[] => Array.isArray(texts) && texts.every((text) => typeof text === 'string');
  if (typeof producerId !== 'string' || !areTexts(symbols) || symbols.length >= heartbeatIndex) return undefined;
  if (!Array.isArray(conditionSets) || conditionSets.length === 0 || !conditionSets.every(areTexts)) return undefined;
  if (tradeIdText !== null && !areTexts(tradeIdText)) return undefined;
  return { producerId, symbols, conditionSets, tradeIdText: tradeIdText ?? undefined };
}

function withoutBadTrades(frame: Frame): DecodedFrame {
  let index = badTradeFrom(frame, 0);
  if (index === frame.count) return { frame, rejected: [] };
  const rejected: RejectedPart[] = [];
  const cleaned: Frame = { ...frame, symbolIndex: frame.symbolIndex.slice(), flags: frame.flags.slice() };
  for (; index < frame.count; index = badTradeFrom(frame, index + 1)) {
    rejected.push({ index, reason: badTradeReason(frame, index) as QuarantineReason, sample: sampleOf(frame, index) });
    cleaned.symbolIndex[index] = heartbeatIndex;
    cleaned.flags[index] = silentFlag;
  }
  return { frame: cleaned, rejected };
}

/** The index of the first bad trade from `from` on, or the count. */
function badTradeFrom(frame: Frame, from: number): number {
  const { price: prices, size: sizes, symbolIndex, conditionIndex, count } = frame;
  const symbolCount = frame.symbols.length;
  const conditionSetCount = frame.conditionSets.length;
  const isTimeGood = frame.baseTimeMs >= -eventTimeMaxMs;
  for (let i = from; i < count; i++) {
    const price = prices[i] as number;
    const size = sizes[i] as number;
    const isGood = isTimeGood && price > 0 && size > 0 && price + size < Number.POSITIVE_INFINITY;
    if (isGood && (symbolIndex[i] as number) < symbolCount && (conditionIndex[i] as number) < conditionSetCount) continue;
    if (symbolIndex[i] !== heartbeatIndex && badTradeReason(frame, i) !== undefined) return i;
  }
  return count;
}

function badTradeReason(frame: Frame, i: number) {
  const price = frame.price[i] as number;
  const size = frame.size[i] as number;
  if ((frame.symbolIndex[i] as number) >= frame.symbols.length) return 'symbol-missing';
  if (!Number.isFinite(price)) return 'price-not-a-number';
  if (price <= 0) return 'price-not-positive';
  if (!Number.isFinite(size)) return 'size-not-a-number';
  if (size <= 0) return 'size-not-positive';
  // A time after all dates is too far ahead of its arrival, which the fold finds.
  if (frame.baseTimeMs + (frame.timeOffsetMs[i] as number) < -eventTimeMaxMs) return 'event-time-invalid';
  return (frame.conditionIndex[i] as number) < frame.conditionSets.length ? undefined : 'conditions-invalid';
}

function sampleOf(frame: Frame, i: number): string {
  const symbol = frame.symbols[frame.symbolIndex[i] as number];
  return JSON.stringify({ symbol, price: String(frame.price[i]), size: String(frame.size[i]) }).slice(0, sampleBytesMax);
}

function rejectedWhole(bytes: Uint8Array, reason: FrameReason): DecodedFrame {
  return { frame: undefined, rejected: [{ index: 0, reason, sample: Buffer.from(bytes.subarray(0, sampleBytesMax / 2)).toString('hex') }] };
}
