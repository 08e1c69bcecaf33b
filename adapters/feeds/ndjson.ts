import type { TradeBatch } from '../../core/trade.ts';
import { tradeIdBytesMax, tradeIdNumberOf, symbolBytesMax } from '../../core/trade.ts';
import type { FeedFormat, FeedOutput } from './feed.ts';
import type { LineReader } from './lines.ts';
import { asciiOf, LineFeed, lineBytesMaxDefault, lineFeed } from './lines.ts';
import { tradeOfJsonLine } from './ndjson-line.ts';
import { scanAmount, scanWhole } from './numbers.ts';
import { BatchNumbers } from './symbols.ts';
import { addTrade, conditionsOf, isSymbol } from './trade-fields.ts';

export const ndjson: FeedFormat = {
  name: 'ndjson',
  summary: 'one JSON object a line: symbol, eventTimeMs, price, size, and if there tradeId, conditions',
  decoder: (from) => new LineFeed({ lineBytesMax: lineBytesMaxDefault, from, reader: () => new NdjsonReader() }),
};

/** Bits of the fields that a line has had. */
const symbolBit = 1;
const eventTimeBit = 2;
const priceBit = 4;
const sizeBit = 8;
const tradeIdBit = 16;
const conditionsBit = 32;
const requiredBits = symbolBit | eventTimeBit | priceBit | sizeBit;

/** Different spellings of condition lists to remember; further ones are read carefully each time. */
const conditionTextsMax = 4096;

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const blank = 0x20;
const tab = 0x09;
const carriageReturn = 0x0d;
const deleteCharacter = 0x7f;

/** 1 for the characters that stand for themselves in a JSON string. */
const isPlain = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number(byte >= blank && byte < deleteCharacter && byte !== quote && byte !== backslash),
);
/** 1 for the characters of a list of plain strings, but for the bracket at its end. */
const isPlainInList = isPlain.map((is, byte) => (byte === closeBracket ? 0 : byte === quote ? 1 : is));

/** Four characters as the number that they are in memory, the first lowest. */
const wordSymb = 0x626d7973;
const wordBolQuote = 0x226c6f62;
const wordEven = 0x6e657665;
const wordTTim = 0x6d695474;
const wordEMsQuote = 0x22734d65;
const wordPric = 0x63697270;
const wordIceQuote = 0x22656369;
const wordSize = 0x657a6973;
const wordIzeQuote = 0x22657a69;
const wordTrad = 0x64617274;
const wordEIdQuote = 0x22644965;
const wordCond = 0x646e6f63;
const wordItio = 0x6f697469;
const wordOnsQuote = 0x22736e6f;

/**
 * Reads a line of plain ASCII straight from its bytes, without a string or an object. Everything unusual is left to the careful path:
 * the scanner only ever accepts what that accepts, with the same values.
 */
class NdjsonReader implements LineReader {
  readonly #symbols = new BatchNumbers<string>((batch, symbol) => batch.numberOfSymbol(symbol));
  readonly #conditionSets = new BatchNumbers<readonly string[]>((batch, conditions) => batch.numberOfConditionSet(conditions));
  #symbol = 0;
  #tradeIdText = '';
  /** -1 for none. */
  #conditions = -1;

  readLine(lines: LineFeed, start: number, out: FeedOutput): number {
    const next = this.#scanLine(lines.bytes, lines.view, start, out.trades);
    return next >= 0 ? next : readCarefully(lines, start, out);
  }

  memory(): undefined {
    return undefined;
  }

  /** Adds the line's trade and returns the offset behind its line feed; -1 when the line is for the careful path. */
  #scanLine(bytes: Uint8Array, view: DataView, start: number, batch: TradeBatch): number {
    const i = batch.nextIndex();
    batch.tradeIdNumber[i] = Number.NaN;
    this.#tradeIdText = '';
    this.#conditions = -1;
    let seen = 0;
    let at = bytes[start] === openBrace ? start : afterBlanks(bytes, start);
    if (bytes[at] !== openBrace) return -1;
    do {
      at++;
      if (bytes[at] !== quote) at = afterBlanks(bytes, at);
      if (bytes[at] !== quote) return -1;
      const field = fieldAt(view, at + 1);
      at = field === 0 ? afterPlainString(bytes, at + 1) : at + 1 + (field >> 8);
      if (at < 0) return -1;
      if (bytes[at] !== colon) at = afterBlanks(bytes, at);
      if (bytes[at] !== colon) return -1;
      at++;
      if ((bytes[at] as number) <= blank) at = afterBlanks(bytes, at);
      switch (field & 0xff) {
        case symbolBit:
          at = this.#scanSymbol(bytes, view, at);
          break;
        case eventTimeBit:
          at = scanWhole(bytes, view, at, batch.eventTimeMs, i);
          break;
        case priceBit:
          at = scanQuotableAmount(bytes, at, batch.price, i);
          break;
        case sizeBit:
          at = scanQuotableAmount(bytes, at, batch.size, i);
          break;
        case tradeIdBit:
          at = this.#scanTradeId(bytes, view, at, batch.tradeIdNumber, i);
          break;
        case conditionsBit:
          at = this.#scanConditions(bytes, view, at);
          break;
        default:
          at = afterPlainScalar(bytes, at);
      }
      if (at < 0) return -1;
      seen |= field;
      if ((bytes[at] as number) <= blank) at = afterBlanks(bytes, at);
    } while (bytes[at] === comma);
    if (bytes[at] !== closeBrace || (seen & requiredBits) !== requiredBits) return -1;
    at++;
    if (bytes[at] !== lineFeed) at = afterBlanks(bytes, at);
    if (bytes[at] !== lineFeed) return -1;
    const conditionSetNumber = this.#conditions < 0 ? 0 : this.#conditionSets.numberIn(batch, this.#conditions);
    if (conditionSetNumber > 0xffff) return -1;
    batch.symbolNumber[i] = this.#symbols.numberIn(batch, this.#symbol);
    batch.conditionSetNumber[i] = conditionSetNumber;
    batch.flags[i] = 0;
    batch.take(this.#tradeIdText);
    return at + 1;
  }

  #scanSymbol(bytes: Uint8Array, view: DataView, quoteAt: number): number {
    if (bytes[quoteAt] !== quote) return -1;
    const start = quoteAt + 1;
    const next = afterPlainString(bytes, start);
    if (next < 0) return -1;
    let symbol = this.#symbols.find(view, start, next - 1);
    if (symbol < 0) {
      if (next - 1 - start > symbolBytesMax) return -1;
      const text = asciiOf(bytes, start, next - 1);
      if (!isSymbol(text)) return -1;
      symbol = this.#symbols.add(view, start, next - 1, text);
    }
    this.#symbol = symbol;
    return next;
  }

  #scanTradeId(bytes: Uint8Array, view: DataView, start: number, numbers: Float64Array, i: number): number {
    this.#tradeIdText = '';
    const isQuoted = bytes[start] === quote;
    const end = scanWhole(bytes, view, isQuoted ? start + 1 : start, numbers, i);
    if (!isQuoted) return end;
    if (end >= 0 && bytes[end] === quote) return end + 1;
    const next = afterPlainString(bytes, start + 1);
    const byteCount = next - start - 2;
    if (byteCount < 1 || byteCount > tradeIdBytesMax) return -1;
    const tradeId = asciiOf(bytes, start + 1, next - 1);
    numbers[i] = tradeIdNumberOf(tradeId);
    if (Number.isNaN(numbers[i])) this.#tradeIdText = tradeId;
    return next;
  }

  /** Equal texts have equal values, so a list is looked up as it is written and parsed when it is new. */
  #scanConditions(bytes: Uint8Array, view: DataView, start: number): number {
    if (bytes[start] !== openBracket) return -1;
    let end = start + 1;
    while (isPlainInList[bytes[end] as number] === 1) end++;
    if (bytes[end++] !== closeBracket) return -1;
    let entry = this.#conditionSets.find(view, start, end);
    if (entry < 0) {
      const conditions = this.#conditionSets.count < conditionTextsMax ? conditionsOfText(asciiOf(bytes, start, end)) : undefined;
      if (conditions === undefined) return -1;
      entry = this.#conditionSets.add(view, start, end, conditions);
    }
    this.#conditions = entry;
    return end;
  }
}

function readCarefully(lines: LineFeed, start: number, out: FeedOutput): number {
  const end = lines.bytes.indexOf(lineFeed, start);
  const trade = tradeOfJsonLine(lines.bytes, start, end);
  if (trade === 'blank') lines.skipBlankLine();
  else if (typeof trade === 'string') lines.reject(out, trade, start, end);
  else if (!addTrade(out.trades, trade)) lines.reject(out, 'conditions-invalid', start, end);
  return end + 1;
}

function conditionsOfText(json: string): readonly string[] | undefined {
  try {
    return conditionsOf(JSON.parse(json));
  } catch {
    return undefined;
  }
}

function scanQuotableAmount(bytes: Uint8Array, start: number, amounts: Float64Array, i: number): number {
  const isQuoted = bytes[start] === quote;
  const end = scanAmount(bytes, isQuoted ? start + 1 : start, amounts, i);
  if (!isQuoted || end < 0) return end;
  return bytes[end] === quote ? end + 1 : -1;
}

/** The field whose name starts at `key`: its bit, and above it the length with the closing quote. 0 for another name. */
function fieldAt(view: DataView, key: number): number {
  switch (view.getInt32(key, true)) {
    case wordSymb:
      return view.getInt32(key + 3, true) === wordBolQuote ? symbolBit | (7 << 8) : 0;
    case wordEven:
      return view.getInt32(key + 4, true) === wordTTim && view.getInt32(key + 8, true) === wordEMsQuote ? eventTimeBit | (12 << 8) : 0;
    case wordPric:
      return view.getInt32(key + 2, true) === wordIceQuote ? priceBit | (6 << 8) : 0;
    case wordSize:
      return view.getInt32(key + 1, true) === wordIzeQuote ? sizeBit | (5 << 8) : 0;
    case wordTrad:
      return view.getInt32(key + 4, true) === wordEIdQuote ? tradeIdBit | (8 << 8) : 0;
    case wordCond:
      return view.getInt32(key + 4, true) === wordItio && view.getInt32(key + 7, true) === wordOnsQuote ? conditionsBit | (11 << 8) : 0;
    default:
      return 0;
  }
}

function afterBlanks(bytes: Uint8Array, start: number): number {
  let at = start;
  let byte = bytes[at];
  while (byte === blank || byte === tab || byte === carriageReturn) byte = bytes[++at];
  return at;
}

/** The offset behind the closing quote of a string of plain ASCII; -1 when it has anything else in it. */
function afterPlainString(bytes: Uint8Array, start: number): number {
  let at = start;
  while (isPlain[bytes[at] as number] === 1) at++;
  return bytes[at] === quote ? at + 1 : -1;
}

/** The offset behind a value that nobody asked for: a plain string, a short word or a short number; -1 for any other. */
function afterPlainScalar(bytes: Uint8Array, start: number): number {
  if (bytes[start] === quote) return afterPlainString(bytes, start + 1);
  let end = start;
  while (isScalarByte(bytes[end] as number)) end++;
  return scalarPattern.test(asciiOf(bytes, start, Math.min(end, start + scalarBytesMax))) && end - start <= scalarBytesMax ? end : -1;
}

const scalarBytesMax = 32;
const scalarPattern = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;

function isScalarByte(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x7a) || byte === 0x2b || byte === 0x2d || byte === 0x2e || byte === 0x45
  );
}
