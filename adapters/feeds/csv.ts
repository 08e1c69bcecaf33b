import type { TradeBatch } from '../../core/trade.ts';
import { symbolBytesMax, tradeIdBytesMax, tradeIdNumberOf } from '../../core/trade.ts';
import { InputError } from '../errors.ts';
import { cellsOf, tradeOfCells } from './csv-row.ts';
import type { FeedFormat, FeedOutput } from './feed.ts';
import type { LineReader } from './lines.ts';
import { asciiOf, carriageReturn, LineFeed, lineBytesMaxDefault, lineFeed, textOf } from './lines.ts';
import { scanAmount, scanWhole } from './numbers.ts';
import { BatchNumbers } from './symbols.ts';
import { addTrade, conditionsOf, isSymbol } from './trade-fields.ts';

/**
 * The first line names the columns, in any order; further columns are ignored. Cells may be quoted as in RFC 4180, but none goes over
 * the end of its line: a quote left open then costs one trade and not the rest of the file.
 */
export const csv: FeedFormat = {
  name: 'csv',
  summary: 'a header row with symbol, eventTimeMs, price, size, and if there tradeId, conditions (codes separated by ; or blanks)',
  decoder: (from) => new LineFeed({ lineBytesMax: lineBytesMaxDefault, from, reader: (_, memory) => new CsvReader(memory as Memory) }),
};

/** The header row, once it was read. */
type Memory = { readonly columns: readonly string[] } | null | undefined;

const requiredColumns = ['symbol', 'eventTimeMs', 'price', 'size'] as const;
/** The place of a name here is what the scanner switches on; 0 is a column to ignore. */
const columnNames: readonly string[] = ['', ...requiredColumns, 'tradeId', 'conditions'];

/** Different spellings of condition cells to remember; further ones are read carefully each time. */
const conditionTextsMax = 4096;

const quote = 0x22;
const comma = 0x2c;
const blank = 0x20;
const deleteCharacter = 0x7f;

/** Reads a row of plain ASCII without quotes straight from its bytes; everything unusual is left to the careful path. */
class CsvReader implements LineReader {
  readonly #symbols = new BatchNumbers<string>((batch, symbol) => batch.numberOfSymbol(symbol));
  readonly #conditionSets = new BatchNumbers<readonly string[]>((batch, conditions) => batch.numberOfConditionSet(conditions));
  #columns: readonly string[] | undefined;
  /** What each column is, as its place in `columnNames`. */
  #kinds = new Uint8Array(0);
  #symbol = 0;
  #tradeIdText = '';
  /** -1 for none. */
  #conditions = -1;

  constructor(memory: Memory) {
    if (memory) this.#setColumns(memory.columns);
  }

  memory(): Memory {
    return this.#columns && { columns: this.#columns };
  }

  readLine(lines: LineFeed, start: number, out: FeedOutput): number {
    const next = this.#scanRow(lines.bytes, lines.view, start, out.trades);
    return next >= 0 ? next : this.#readCarefully(lines, start, out);
  }

  #setColumns(columns: readonly string[]): void {
    this.#columns = columns;
    this.#kinds = Uint8Array.from(columns, (name) => Math.max(0, columnNames.indexOf(name)));
  }

  /** Adds the row's trade and returns the offset behind its line feed; -1 when the row is for the careful path. */
  #scanRow(bytes: Uint8Array, view: DataView, start: number, batch: TradeBatch): number {
    const kinds = this.#kinds;
    const columnCount = kinds.length;
    if (columnCount === 0) return -1;
    const i = batch.nextIndex();
    batch.tradeIdNumber[i] = Number.NaN;
    this.#tradeIdText = '';
    this.#conditions = -1;
    let at = start - 1;
    for (let column = 0; column < columnCount; column++) {
      at++;
      switch (kinds[column]) {
        case 1:
          at = this.#scanSymbol(bytes, view, at);
          break;
        case 2:
          at = scanWhole(bytes, view, at, batch.eventTimeMs, i);
          break;
        case 3:
          at = scanAmount(bytes, at, batch.price, i);
          break;
        case 4:
          at = scanAmount(bytes, at, batch.size, i);
          break;
        case 5:
          at = this.#scanTradeId(bytes, view, at, batch.tradeIdNumber, i);
          break;
        case 6:
          at = this.#scanConditions(bytes, view, at);
          break;
        default:
          at = afterPlainCell(bytes, at);
      }
      if (at < 0) return -1;
      if (column < columnCount - 1 && bytes[at] !== comma) return -1;
    }
    if (bytes[at] === carriageReturn) at++;
    if (bytes[at] !== lineFeed) return -1;
    const conditionSetNumber = this.#conditions < 0 ? 0 : this.#conditionSets.numberIn(batch, this.#conditions);
    if (conditionSetNumber > 0xffff) return -1;
    batch.symbolNumber[i] = this.#symbols.numberIn(batch, this.#symbol);
    batch.conditionSetNumber[i] = conditionSetNumber;
    batch.flags[i] = 0;
    batch.take(this.#tradeIdText);
    return at + 1;
  }

  #scanSymbol(bytes: Uint8Array, view: DataView, start: number): number {
    const end = afterPlainCell(bytes, start);
    let symbol = this.#symbols.find(view, start, end);
    if (symbol < 0) {
      if (end - start > symbolBytesMax) return -1;
      const text = asciiOf(bytes, start, end);
      if (!isSymbol(text) || text.trim() !== text) return -1;
      symbol = this.#symbols.add(view, start, end, text);
    }
    this.#symbol = symbol;
    return end;
  }

  #scanTradeId(bytes: Uint8Array, view: DataView, start: number, numbers: Float64Array, i: number): number {
    const numberEnd = scanWhole(bytes, view, start, numbers, i);
    if (numberEnd >= 0 && isPlain[bytes[numberEnd] as number] === 0) return numberEnd;
    const end = afterPlainCell(bytes, start);
    if (end - start > tradeIdBytesMax) return -1;
    const tradeId = asciiOf(bytes, start, end);
    if (tradeId.trim() !== tradeId) return -1;
    numbers[i] = tradeId === '' ? Number.NaN : tradeIdNumberOf(tradeId);
    if (Number.isNaN(numbers[i])) this.#tradeIdText = tradeId;
    return end;
  }

  /** Equal texts have equal values, so a list is looked up as it is written and parsed when it is new. */
  #scanConditions(bytes: Uint8Array, view: DataView, start: number): number {
    const end = afterPlainCell(bytes, start);
    if (end === start) return end;
    let entry = this.#conditionSets.find(view, start, end);
    if (entry < 0) {
      const isKept = this.#conditionSets.count < conditionTextsMax;
      const conditions = isKept ? conditionsOf(asciiOf(bytes, start, end).split(/[; ]/)) : undefined;
      if (conditions === undefined) return -1;
      entry = this.#conditionSets.add(view, start, end, conditions);
    }
    this.#conditions = entry;
    return end;
  }

  #readCarefully(lines: LineFeed, start: number, out: FeedOutput): number {
    const end = lines.bytes.indexOf(lineFeed, start);
    const text = textOf(lines.bytes, start, end)?.replace(/\r$/, '');
    if (text !== undefined && /^[ \t\r]*$/.test(text)) lines.skipBlankLine();
    else if (this.#columns === undefined) this.#setColumns(columnsOf(text));
    else {
      const cells = text === undefined ? 'not-utf8' : cellsOf(text);
      const trade = typeof cells === 'string' ? cells : tradeOfCells(cells, this.#columns);
      if (typeof trade === 'string') lines.reject(out, trade, start, end);
      else if (!addTrade(out.trades, trade)) lines.reject(out, 'conditions-invalid', start, end);
    }
    return end + 1;
  }
}

/** The names in the header row. @throws InputError when trades cannot be read with them */
function columnsOf(header: string | undefined): readonly string[] {
  const columns = header === undefined ? 'not-utf8' : cellsOf(header);
  if (typeof columns === 'string') throw invalidHeader(`must be readable, received a line that is ${columns}`);
  const missing = requiredColumns.filter((name) => !columns.includes(name));
  const found = columns
    .map((name) => `"${name}"`)
    .join(', ')
    .slice(0, 500);
  if (missing.length > 0) {
    const hint = columns.length === 1 ? 'separate the columns with commas' : 'the first line must name the columns';
    throw invalidHeader(`must name ${requiredColumns.join(', ')}: ${missing.join(', ')} missing, received ${found}; ${hint}`);
  }
  const repeated = columnNames.find((name) => name !== '' && columns.indexOf(name) !== columns.lastIndexOf(name));
  if (repeated !== undefined) throw invalidHeader(`must name each column once, received "${repeated}" twice in ${found}`);
  return columns;
}

function invalidHeader(message: string): InputError {
  return new InputError(`csv header ${message}`, { code: 'csv-header-invalid' });
}

/** The offset behind a cell of plain ASCII, which is where the first other byte is. */
function afterPlainCell(bytes: Uint8Array, start: number): number {
  let at = start;
  while (isPlain[bytes[at] as number] === 1) at++;
  return at;
}

/** 1 for the characters that stand for themselves in a cell. */
const isPlain = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number(byte >= blank && byte < deleteCharacter && byte !== comma && byte !== quote),
);
