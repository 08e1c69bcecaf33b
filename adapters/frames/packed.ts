import { crc32 } from 'node:zlib';
import type { RejectedPart } from '../../core/consume.ts';
import { type Frame, heartbeatIndex, silentFlag } from '../../core/frame.ts';
import { type FrameReason, type QuarantineReason, sampleBytesMax } from '../../core/reasons.ts';
import { amountMax, amountMin, eventTimeMaxMs } from '../../core/trade.ts';
import { conditionsOf, isSymbol, isTradeId } from '../feeds/trade-fields.ts';

/**
 * The packed frame, little-endian. A trade takes 18 bytes: 8 more with numeric trade ids, 4 more with sizes that are no whole numbers, 2
 * more with conditions or flags.
 *
 * | offset | type | what |
 * |---|---|---|
 * | 0 | 4 bytes | F7 'T' 'P' 'F'; the first byte cannot begin JSON |
 * | 4 | u8 | version, 1 |
 * | 5 | u8 | bit 0: has numeric trade ids, 1: sizes are u32, 2: no column of condition sets, all 0, 3: none of flags, all 0, 4: its trades were too far ahead when they were read |
 * | 6 | u16 | bucket |
 * | 8 | u32 | entries |
 * | 12 | u32 | CRC-32 of all bytes but these four |
 * | 16 | f64 | base time, Unix ms |
 * | 24 | f64 | producer sequence, 0 for none |
 * | 32 | u32 | bytes of text |
 * | 40 | f64[n] | price; then f64[n] size unless u32; then, if any, f64[n] trade id, NaN for none |
 * | | u32[n] | size if u32; then u32[n] ms after the base time |
 * | | u16[n] | symbol index, 65535 for a heartbeat |
 * | | u8[n] | condition set index, if any; then u8[n] flags, if any |
 * | | text | JSON `[producerId, symbols, conditionSets, textIds or null]`, UTF-8 |
 */
const magic = 0x465054f7;
const version = 1;
const headBytes = 40;
const hasNumberIds = 1;
const hasShortSizes = 2;
const hasNoConditions = 4;
const hasNoFlags = 8;
const isAheadForm = 16;
const knownForms = hasNumberIds | hasShortSizes | hasNoConditions | hasNoFlags | isAheadForm;
export const packedFirstByte = 0xf7;
/** Kinesis' record limit (1 MiB by default). */
export const frameBytesMax = 1024 * 1024;

export function encodePacked(frame: Frame): Uint8Array {
  const { count } = frame;
  const textIds = frame.tradeIdText?.slice(0, count) ?? null;
  const text = Buffer.from(JSON.stringify([frame.producerId, frame.symbols, frame.conditionSets, textIds]));
  const form = formOf(frame);
  const columns = columnsOf(count, form);
  const bytes = new Uint8Array(new ArrayBuffer(columns.end + text.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setUint8(4, version);
  view.setUint8(5, form);
  view.setUint16(6, frame.bucket, true);
  view.setUint32(8, count, true);
  view.setFloat64(16, frame.baseTimeMs, true);
  view.setFloat64(24, frame.producerSequence, true);
  view.setUint32(32, text.length, true);
  const put = (column: Float64Array | Uint32Array | Uint16Array | Uint8Array, at: number) =>
    bytes.set(new Uint8Array(column.buffer, column.byteOffset, count * column.BYTES_PER_ELEMENT), at);
  put(frame.price, columns.price);
  put(form & hasShortSizes ? Uint32Array.from(frame.size.subarray(0, count)) : frame.size, columns.size);
  if (frame.tradeIdNumber !== undefined) put(frame.tradeIdNumber, columns.tradeIdNumber);
  put(frame.timeOffsetMs, columns.timeOffsetMs);
  put(frame.symbolIndex, columns.symbolIndex);
  if (!(form & hasNoConditions)) put(frame.conditionIndex, columns.conditionIndex);
  if (!(form & hasNoFlags)) put(frame.flags, columns.flags);
  bytes.set(text, columns.end);
  view.setUint32(12, checksumOf(bytes), true);
  return bytes;
}

/** The shortest form that holds all of the frame. */
function formOf({ count, tradeIdNumber, size, conditionIndex, flags, isAhead }: Frame): number {
  let form = tradeIdNumber === undefined ? 0 : hasNumberIds;
  if (isAhead) form |= isAheadForm;
  if (isEvery(size, count, (value) => value === value >>> 0)) form |= hasShortSizes;
  if (isEvery(conditionIndex, count, (index) => index === 0)) form |= hasNoConditions;
  if (isEvery(flags, count, (flag) => flag === 0)) form |= hasNoFlags;
  return form;
}

function isEvery(column: Frame['size'] | Uint8Array, count: number, holds: (value: number) => boolean): boolean {
  for (let i = 0; i < count; i++) if (!holds(column[i] as number)) return false;
  return true;
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
  const form = view.getUint8(5);
  const columns = columnsOf(count, form);
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
    size:
      form & hasShortSizes
        ? new Uint32Array(buffer, byteOffset + columns.size, count)
        : new Float64Array(buffer, byteOffset + columns.size, count),
    tradeIdNumber: form & hasNumberIds ? new Float64Array(buffer, byteOffset + columns.tradeIdNumber, count) : undefined,
    timeOffsetMs: new Uint32Array(buffer, byteOffset + columns.timeOffsetMs, count),
    symbolIndex: new Uint16Array(buffer, byteOffset + columns.symbolIndex, count),
    conditionIndex: form & hasNoConditions ? zeros(count) : new Uint8Array(buffer, byteOffset + columns.conditionIndex, count),
    flags: form & hasNoFlags ? zeros(count) : new Uint8Array(buffer, byteOffset + columns.flags, count),
    tradeIdText: texts.tradeIdText,
    isAhead: (form & isAheadForm) !== 0,
  };
  if (!Number.isSafeInteger(frame.baseTimeMs) || !Number.isSafeInteger(frame.producerSequence) || frame.producerSequence < 0)
    return rejectedWhole(bytes, 'frame-malformed');
  return withoutBadTrades(frame, texts.bad);
}

function columnsOf(count: number, form: number) {
  const isShort = (form & hasShortSizes) !== 0;
  const price = headBytes;
  const longSize = price + count * 8;
  const tradeIdNumber = longSize + (isShort ? 0 : count * 8);
  const shortSize = tradeIdNumber + (form & hasNumberIds ? count * 8 : 0);
  const timeOffsetMs = shortSize + (isShort ? count * 4 : 0);
  const symbolIndex = timeOffsetMs + count * 4;
  const conditionIndex = symbolIndex + count * 2;
  const flags = conditionIndex + (form & hasNoConditions ? 0 : count);
  const end = flags + (form & hasNoFlags ? 0 : count);
  return { price, size: isShort ? shortSize : longSize, tradeIdNumber, timeOffsetMs, symbolIndex, conditionIndex, flags, end };
}

let zeroBytes = new Uint8Array(0);

/** A column of zeros, which all frames without the column share. */
function zeros(count: number): Uint8Array<ArrayBuffer> {
  if (zeroBytes.length < count) zeroBytes = new Uint8Array(count * 2);
  return zeroBytes;
}

/** The version is looked at before the checksum: a newer version may have another layout. */
function headReason(bytes: Uint8Array): FrameReason | undefined {
  if (bytes.length > frameBytesMax) return 'frame-too-large';
  if (bytes.length < headBytes) return 'frame-truncated';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== magic) return 'frame-unknown-encoding';
  if (view.getUint8(4) !== version) return 'frame-version-unsupported';
  if (view.getUint8(5) > knownForms) return 'frame-version-unsupported';
  const columns = columnsOf(view.getUint32(8, true), view.getUint8(5));
  const length = columns.end + view.getUint32(32, true);
  if (bytes.length < length) return 'frame-truncated';
  if (bytes.length > length) return 'frame-malformed';
  return checksumOf(bytes) === view.getUint32(12, true) ? undefined : 'frame-checksum-mismatch';
}

function checksumOf(bytes: Uint8Array): number {
  return crc32(bytes.subarray(16), crc32(bytes.subarray(0, 12)));
}

/** Texts of a large frame, its bytes, and where in them the list of symbols ends. */
type KnownTexts = { readonly bytes: Uint8Array; readonly texts: Texts; readonly symbolsEnd: number };

/** By bucket: a producer goes on with a dictionary that is small beside its frame, and adds to it. */
const knownTexts = new Map<number, KnownTexts>();
const knownFrom = 1024;
const knownBytesMax = 4 * 1024 * 1024;
let knownBytes = 0;

function textsOfFrame(bucket: number, count: number, bytes: Uint8Array): Texts | undefined {
  if (count < knownFrom) return textsOf(bytes);
  const known = knownTexts.get(bucket);
  if (known !== undefined && Buffer.compare(known.bytes, bytes) === 0) return known.texts;
  const continued = known && continuedTexts(known, bytes);
  const texts = continued ?? textsOf(bytes);
  if (texts !== undefined && texts.tradeIdText === undefined && texts.bad === undefined) rememberTexts(bucket, bytes, texts);
  return texts;
}

/** Reads only what was added behind the known symbols, and adds it to their list; undefined if something else has changed. */
function continuedTexts({ bytes: knownBytes, texts: known, symbolsEnd }: KnownTexts, bytes: Uint8Array): Texts | undefined {
  const comma = 0x2c;
  if (bytes[symbolsEnd] !== comma || Buffer.compare(knownBytes.subarray(0, symbolsEnd), bytes.subarray(0, symbolsEnd)) !== 0)
    return undefined;
  const added = textsOf(Buffer.concat([Buffer.from('["",['), bytes.subarray(symbolsEnd + 1)]));
  if (added === undefined || added.symbols.length === 0 || added.tradeIdText !== undefined || added.bad !== undefined) return undefined;
  if (known.symbols.length + added.symbols.length >= heartbeatIndex) return undefined;
  for (const symbol of added.symbols) known.symbols.push(symbol);
  return { ...known, conditionSets: added.conditionSets };
}

function rememberTexts(bucket: number, bytes: Uint8Array, texts: Texts): void {
  knownBytes += bytes.length - (knownTexts.get(bucket)?.bytes.length ?? 0);
  if (knownBytes > knownBytesMax) {
    knownTexts.clear();
    knownBytes = bytes.length;
  }
  knownTexts.set(bucket, { bytes: bytes.slice(), texts, symbolsEnd: symbolsEndOf(bytes, texts) });
}

/** The place of the bracket behind the symbols; -1 where what follows is not as our encoder writes it, and nothing is continued. */
function symbolsEndOf(bytes: Uint8Array, { conditionSets }: Texts): number {
  const end = Buffer.from(`],${JSON.stringify(conditionSets)},null]`);
  return Buffer.compare(bytes.subarray(-end.length), end) === 0 ? bytes.length - end.length : -1;
}

type Texts = {
  producerId: string;
  symbols: string[];
  conditionSets: string[][];
  tradeIdText: string[] | undefined;
  bad: BadTexts | undefined;
};

/** By their places: texts that no feed would take for what they are to be. */
type BadTexts = {
  readonly symbols: ReadonlySet<number>;
  readonly conditionSets: ReadonlySet<number>;
  readonly tradeIds: ReadonlySet<number>;
};

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
  const bad = badTextsOf(symbols, conditionSets, tradeIdText ?? []);
  return { producerId, symbols, conditionSets, tradeIdText: tradeIdText ?? undefined, bad };
}

function badTextsOf(symbols: readonly string[], conditionSets: readonly string[][], tradeIdText: readonly string[]): BadTexts | undefined {
  const bad = {
    symbols: placesOf(symbols, (symbol) => !isSymbol(symbol)),
    conditionSets: placesOf(conditionSets, (set) => conditionsOf(set)?.length !== set.length),
    tradeIds: placesOf(tradeIdText, (tradeId) => tradeId !== '' && !isTradeId(tradeId)),
  };
  return bad.symbols.size + bad.conditionSets.size + bad.tradeIds.size === 0 ? undefined : bad;
}

function placesOf<T>(values: readonly T[], holds: (value: T) => boolean): Set<number> {
  return new Set(values.flatMap((value, place) => (holds(value) ? [place] : [])));
}

function withoutBadTrades(frame: Frame, badTexts: BadTexts | undefined): DecodedFrame {
  let index = badTradeFrom(frame, badTexts, 0);
  if (index === frame.count) return { frame, rejected: [] };
  const rejected: RejectedPart[] = [];
  const cleaned: Frame = { ...frame, symbolIndex: frame.symbolIndex.slice(), flags: frame.flags.slice(0, frame.count) };
  for (; index < frame.count; index = badTradeFrom(frame, badTexts, index + 1)) {
    rejected.push({ index, reason: badTradeReason(frame, badTexts, index) as QuarantineReason, sample: sampleOf(frame, index) });
    cleaned.symbolIndex[index] = heartbeatIndex;
    cleaned.flags[index] = silentFlag;
  }
  return { frame: cleaned, rejected };
}

/** The index of the first bad trade from `from` on, or the count. */
function badTradeFrom(frame: Frame, badTexts: BadTexts | undefined, from: number): number {
  const { symbolIndex, count } = frame;
  const priceHeads = headsOf(frame.price);
  const sizeHeads = frame.size instanceof Float64Array ? headsOf(frame.size) : undefined;
  for (let i = from; i < count; ) {
    const end = Math.min(i + glanceTrades, count);
    if (badTexts === undefined && looksGood(frame, i, end, priceHeads) && areSizesGood(frame.size, i, end, sizeHeads)) i = end;
    for (; i < end; i++) if (symbolIndex[i] !== heartbeatIndex && badTradeReason(frame, badTexts, i) !== undefined) return i;
  }
  return count;
}

const glanceTrades = 256;

/**
 * Whether prices and indexes are good beyond doubt. One branch for all is faster than several for each: what is not right of a trade leaves a
 * sign bit in `doubt`.
 */
function looksGood(frame: Frame, from: number, to: number, priceHeads: Int32Array): boolean {
  const { symbolIndex, conditionIndex } = frame;
  const symbolMax = frame.symbols.length - 1;
  const conditionMax = frame.conditionSets.length - 1;
  let doubt = frame.baseTimeMs >= -eventTimeMaxMs ? 0 : -1;
  for (let i = from; i < to; i++) {
    const head = priceHeads[2 * i + 1] as number;
    doubt |= head | (head - aboveLeast) | (head + belowGreatest);
    doubt |= (symbolMax - (symbolIndex[i] as number)) | (conditionMax - (conditionIndex[i] as number));
  }
  return doubt >= 0;
}

function areSizesGood(sizes: Frame['size'], from: number, to: number, sizeHeads: Int32Array | undefined): boolean {
  let doubt = 0;
  if (sizeHeads === undefined) {
    // Of all whole numbers only 0 has no sign bit in itself or its opposite.
    for (let i = from; i < to; i++) doubt |= ~((sizes[i] as number) | -(sizes[i] as number));
  } else {
    for (let i = from; i < to; i++) {
      const head = sizeHeads[2 * i + 1] as number;
      doubt |= head | (head - aboveLeast) | (head + belowGreatest);
    }
  }
  return doubt >= 0;
}

/** The halves of each float64 that hold sign and exponent, which are in the order of the numbers. */
function headsOf(column: Float64Array): Int32Array {
  return new Int32Array(column.buffer, column.byteOffset, column.length * 2);
}

const [leastHead, greatestHead] = [amountMin, amountMax].map((amount) => headsOf(Float64Array.of(amount))[1]) as [number, number];
/** Taken from a head or added to it, they leave a sign bit where the amount may be below the least or above the greatest. */
const aboveLeast = leastHead + 1;
const belowGreatest = 0x80000000 - greatestHead;

function badTradeReason(frame: Frame, badTexts: BadTexts | undefined, i: number) {
  const symbol = frame.symbolIndex[i] as number;
  const conditionSet = frame.conditionIndex[i] as number;
  const price = frame.price[i] as number;
  const size = frame.size[i] as number;
  if (symbol >= frame.symbols.length) return 'symbol-missing';
  if (badTexts?.symbols.has(symbol)) return 'symbol-invalid';
  if (!(Math.abs(price) <= amountMax)) return 'price-not-a-number';
  if (price < amountMin) return 'price-not-positive';
  if (!(Math.abs(size) <= amountMax)) return 'size-not-a-number';
  if (size < amountMin) return 'size-not-positive';
  // A time after all dates is too far ahead of its arrival, which the fold finds.
  if (frame.baseTimeMs + (frame.timeOffsetMs[i] as number) < -eventTimeMaxMs) return 'event-time-invalid';
  if (badTexts?.tradeIds.has(i)) return 'trade-id-invalid';
  return conditionSet >= frame.conditionSets.length || badTexts?.conditionSets.has(conditionSet) ? 'conditions-invalid' : undefined;
}

function sampleOf(frame: Frame, i: number): string {
  const symbol = frame.symbols[frame.symbolIndex[i] as number];
  return JSON.stringify({ symbol, price: String(frame.price[i]), size: String(frame.size[i]) }).slice(0, sampleBytesMax);
}

function rejectedWhole(bytes: Uint8Array, reason: FrameReason): DecodedFrame {
  return { frame: undefined, rejected: [{ index: 0, reason, sample: Buffer.from(bytes.subarray(0, sampleBytesMax / 2)).toString('hex') }] };
}
