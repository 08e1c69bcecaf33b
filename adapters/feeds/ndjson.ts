import type { TradeBatch } from '../../core/trade.ts';
import { tradeIdBytesMax, tradeIdNumberOf, symbolBytesMax } from '../../core/trade.ts';
import { hashByte, hashSeed } from './byte-table.ts';
import type { FeedOutput } from './feed.ts';
import type { LineFeedFormat, LineReader } from './lines.ts';
import { asciiOf, LineFeed, lineBytesMaxDefault, lineFeed } from './lines.ts';
import { tradeOfJsonLine } from './ndjson-line.ts';
import { scanAmount, scanWhole } from './numbers.ts';
import { BatchNumbers } from './symbols.ts';
import { addTrade, conditionsOf, isSymbol } from './trade-fields.ts';

export const ndjson: LineFeedFormat = {
  name: 'ndjson',
  summary: 'one JSON object a line: symbol, eventTimeMs, price, size, and if there tradeId, conditions',
  decoder: (from) => new LineFeed({ lineBytesMax: lineBytesMaxDefault, from, reader: () => new NdjsonReader() }),
};

/** Slots of a line's numbers. */
const eventTimeSlot = 0;
const priceSlot = 1;
const sizeSlot = 2;
const tradeIdSlot = 3;

/** Bits of the fields that a line has had. */
const symbolBit = 1;
const eventTimeBit = 2;
const priceBit = 4;
const sizeBit = 8;
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

/**
 * Reads a line of plain ASCII straight from its bytes, without a string or an object. Everything unusual is left to the careful path:
 * the scanner only ever accepts what that accepts, with the same values.
 */
class NdjsonReader implements LineReader {
  readonly #symbols = new BatchNumbers<string>((batch, symbol) => batch.numberOfSymbol(symbol));
  readonly #conditionSets = new BatchNumbers<readonly string[]>((batch, conditions) => batch.numberOfConditionSet(conditions));
  readonly #values = new Float64Array(4);
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
    const values = this.#values;
    values[tradeIdSlot] = Number.NaN;
    this.#tradeIdText = '';
    this.#conditions = -1;
    let seen = 0;
    let at = afterBlanks(bytes, start);
    if (bytes[at] !== openBrace) return -1;
    do {
      const key = afterBlanks(bytes, at + 1) + 1;
      if (bytes[key - 1] !== quote) return -1;
      const field = fieldAt(view, key);
      at = field === 0 ? afterPlainString(bytes, key) : key + (field >> 8);
      if (at < 0) return -1;
      at = afterBlanks(bytes, at);
      if (bytes[at] !== colon) return -1;
      at = afterBlanks(bytes, at + 1);
      switch (field & 0xff) {
        case symbolBit:
          at = this.#scanSymbol(bytes, at);
          break;
        case eventTimeBit:
          at = scanWhole(bytes, view, at, values, eventTimeSlot);
          break;
        case priceBit:
          at = scanQuotableAmount(bytes, at, values, priceSlot);
          break;
        case sizeBit:
          at = scanQuotableAmount(bytes, at, values, sizeSlot);
          break;
        case tradeIdBit:
          at = this.#scanTradeId(bytes, view, at);
          break;
        case conditionsBit:
          at = this.#scanConditions(bytes, at);
          break;
        default:
          at = afterPlainScalar(bytes, at);
      }
      if (at < 0) return -1;
      seen |= field;
      at = afterBlanks(bytes, at);
    } while (bytes[at] === comma);
    if (bytes[at] !== closeBrace || (seen & requiredBits) !== requiredBits) return -1;
    at = afterBlanks(bytes, at + 1);
    if (bytes[at] !== lineFeed) return -1;
    const conditionSetNumber = this.#conditions < 0 ? 0 : this.#conditionSets.numberIn(batch, this.#conditions);
    if (conditionSetNumber > 0xffff) return -1;
    batch.add(
      this.#symbols.numberIn(batch, this.#symbol),
      values[eventTimeSlot] as number,
      values[priceSlot] as number,
      values[sizeSlot] as number,
      values[tradeIdSlot] as number,
      this.#tradeIdText,
      conditionSetNumber,
    );
    return at + 1;
  }

  #scanSymbol(bytes: Uint8Array, quoteAt: number): number {
    if (bytes[quoteAt] !== quote) return -1;
    const start = quoteAt + 1;
    let end = start;
    let hash = hashSeed;
    let byte = bytes[end] as number;
    while (byte !== quote) {
      if (byte < blank || byte >= deleteCharacter || byte === backslash) return -1;
      hash = hashByte(hash, byte);
      byte = bytes[++end] as number;
    }
    let symbol = this.#symbols.find(bytes, start, end, hash);
    if (symbol < 0) {
      if (end - start > symbolBytesMax) return -1;
      const text = asciiOf(bytes, start, end);
      if (!isSymbol(text)) return -1;
      symbol = this.#symbols.add(bytes, start, end, hash, text);
    }
    this.#symbol = symbol;
    return end + 1;
  }

  #scanTradeId(bytes: Uint8Array, view: DataView, start: number): number {
    const values = this.#values;
    this.#tradeIdText = '';
    if (bytes[start] !== quote) return scanWhole(bytes, view, start, values, tradeIdSlot);
    const end = scanWhole(bytes, view, start + 1, values, tradeIdSlot);
    if (end >= 0 && bytes[end] === quote) return end + 1;
    const next = afterPlainString(bytes, start + 1);
    const byteCount = next - start - 2;
    if (byteCount < 1 || byteCount > tradeIdBytesMax) return -1;
    const tradeId = asciiOf(bytes, start + 1, next - 1);
    values[tradeIdSlot] = tradeIdNumberOf(tradeId);
    if (Number.isNaN(values[tradeIdSlot])) this.#tradeIdText = tradeId;
    return next;
  }

  /** Equal texts have equal values, so a list is looked up as it is written and parsed when it is new. */
  #scanConditions(bytes: Uint8Array, start: number): number {
    if (bytes[start] !== openBracket) return -1;
    let end = start;
    let hash = hashSeed;
    let byte = openBracket;
    while (byte !== closeBracket) {
      if (byte < blank || byte >= deleteCharacter || byte === backslash) return -1;
      hash = hashByte(hash, byte);
      byte = bytes[++end] as number;
    }
    end++;
    let entry = this.#conditionSets.find(bytes, start, end, hash);
    if (entry < 0) {
      const conditions = this.#conditionSets.count < conditionTextsMax ? conditionsOfText(asciiOf(bytes, start, end)) : undefined;
      if (conditions === undefined) return -1;
      entry = this.#conditionSets.add(bytes, start, end, hash, conditions);
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

function scanQuotableAmount(bytes: Uint8Array, start: number, values: Float64Array, slot: number): number {
  if (bytes[start] !== quote) return scanAmount(bytes, start, values, slot);
  const end = scanAmount(bytes, start + 1, values, slot);
  return end >= 0 && bytes[end] === quote ? end + 1 : -1;
}

const tradeIdBit = 16;
const conditionsBit = 32;

/** The field whose name starts at `key`: its bit, and above it the length with the closing quote. 0 for another name. */
function fieldAt(view: DataView, key: number): number {
  switch (view.getInt32(key, true)) {
    case words.symb:
      return view.getInt32(key + 3, true) === words['bol"'] ? symbolBit | (7 << 8) : 0;
    case words.even:
      return view.getInt32(key + 4, true) === words.tTim && view.getInt32(key + 8, true) === words['eMs"'] ? eventTimeBit | (12 << 8) : 0;
    case words.pric:
      return view.getInt32(key + 2, true) === words['ice"'] ? priceBit | (6 << 8) : 0;
    case words.size:
      return view.getInt32(key + 1, true) === words['ize"'] ? sizeBit | (5 << 8) : 0;
    case words.trad:
      return view.getInt32(key + 4, true) === words['eId"'] ? tradeIdBit | (8 << 8) : 0;
    case words.cond:
      return view.getInt32(key + 4, true) === words.itio && view.getInt32(key + 7, true) === words['ons"'] ? conditionsBit | (11 << 8) : 0;
    default:
      return 0;
  }
}

/** Four characters as the number that they are in memory, the first lowest. */
const words = {
  symb: 0x626d7973,
  'bol"': 0x226c6f62,
  even: 0x6e657665,
  tTim: 0x6d695474,
  'eMs"': 0x22734d65,
  pric: 0x63697270,
  'ice"': 0x22656369,
  size: 0x657a6973,
  'ize"': 0x22657a69,
  trad: 0x64617274,
  'eId"': 0x22644965,
  cond: 0x646e6f63,
  itio: 0x6f697469,
  'ons"': 0x22736e6f,
} as const;

function afterBlanks(bytes: Uint8Array, start: number): number {
  let at = start;
  let byte = bytes[at];
  while (byte === blank || byte === tab || byte === carriageReturn) byte = bytes[++at];
  return at;
}

/** The offset behind the closing quote of a string of plain ASCII; -1 when it has anything else in it. */
function afterPlainString(bytes: Uint8Array, start: number): number {
  let at = start;
  let byte = bytes[at] as number;
  while (byte !== quote) {
    if (byte < blank || byte >= deleteCharacter || byte === backslash) return -1;
    byte = bytes[++at] as number;
  }
  return at + 1;
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
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x7a) || byte === 0x2b || byte === 0x2d || byte === 0x2e || byte === 0x45;
}
