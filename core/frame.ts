import { grown } from './grown.ts';
import type { EpochMs, TradeBatch } from './trade.ts';

/** An entry that is no trade: the feed has seen this event time, so nothing older than the out-of-orderness is to come. */
export const heartbeatIndex = 0xffff;
/** A heartbeat's flag: the input is over, all windows up to the one that holds this time close. */
export const endFlag = 2;
/** The flag of an entry that stands in for a trade that could not be read, so that its neighbours keep their positions: it says nothing. */
export const silentFlag = 4;

/**
 * One tape record, decoded: trades of one bucket in the order they were read, as columns. Entry `i` is the trade
 * `(symbols[symbolIndex[i]], baseTimeMs + timeOffsetMs[i], price[i], size[i], …)`, or a heartbeat where `symbolIndex[i]` says so.
 * The columns may be longer than `count`, and belong to whoever made the frame: use them before the next frame is asked for.
 */
export type Frame = {
  readonly bucket: number;
  /** Who wrote it, and its number among that producer's frames of this bucket, from 1. Zero: not numbered, repeats are not visible. */
  readonly producerId: string;
  readonly producerSequence: number;
  readonly count: number;
  /** In several frames it may be the same list; then it has only become longer. Not all need have a trade. */
  readonly symbols: readonly string[];
  /** Index 0 is the empty set. */
  readonly conditionSets: readonly (readonly string[])[];
  readonly baseTimeMs: number;
  readonly symbolIndex: Uint16Array;
  readonly timeOffsetMs: Uint32Array;
  readonly price: Float64Array;
  /** Whole numbers may come as such: half the bytes. */
  readonly size: Float64Array | Uint32Array;
  readonly conditionIndex: Uint8Array;
  readonly flags: Uint8Array;
  /** When they were read, its trades were too far ahead: they are quarantined, however late the frame arrives. Heartbeats are in no such frame. */
  readonly isAhead: boolean;
  /** NaN where the id is in `tradeIdText` or there is none. Undefined: no trade of the frame has a numeric id. */
  readonly tradeIdNumber: Float64Array | undefined;
  /** '' where there is none. Undefined: no trade of the frame has a text id. */
  readonly tradeIdText: readonly string[] | undefined;
};

/** The last event time of a trade in the frame that is not too far ahead. */
export function latestMsOf({ isAhead }: Frame, arrivalTimeMs: EpochMs, aheadMaxMs: number): EpochMs {
  return isAhead ? Number.NEGATIVE_INFINITY : arrivalTimeMs + aheadMaxMs;
}

/** As JSON, with its quotes and a comma. No control characters are in it: the others take three bytes at most, with what escapes them. */
function jsonBytesMaxOf(text: string): number {
  return text.length * 3 + 3;
}

/** A frame stays below Kinesis' 1 MiB record, whatever its texts. */
const textBytesMax = 384 * 1024;
/** Entries of a frame whose dictionary may go on: what a quiet bucket has sent is seldom what it sends next. */
const dictionaryKeptFrom = 1024;
/** Most buckets of a live feed never hold more. */
const capacityAtFirst = 256;

/** Gathers entries into one frame at a time; its columns are reused from frame to frame. */
export class FrameBuilder {
  readonly bucket: number;
  readonly #entriesMax: number;
  #symbolIndex: Uint16Array;
  #timeOffsetMs: Uint32Array;
  #price: Float64Array;
  #size: Float64Array;
  #conditionIndex: Uint8Array;
  #flags: Uint8Array;
  #tradeIdNumber: Float64Array;
  #tradeIdText: string[] = [];
  #hasNumberId = false;
  #baseTimeMs = 0;
  #textIdBytes = 0;
  #dictionaryBytes = 0;
  #symbols: string[] = [];
  #conditionSets: (readonly string[])[] = [[]];
  /** By the batch's number of a symbol or condition set: the dictionary in which it was entered last, and its index there. */
  #symbolDictionaries = new Uint32Array(64);
  #symbolIndexes = new Uint16Array(64);
  #conditionDictionaries = new Uint32Array(16);
  #conditionIndexes = new Uint8Array(16);
  #dictionaryNumber = 1;
  count = 0;
  /** Of the frame that is being built; set it when it is empty. */
  isAhead = false;

  constructor(bucket: number, entriesMax: number) {
    this.bucket = bucket;
    this.#entriesMax = Math.min(entriesMax, heartbeatIndex - 1);
    const capacity = Math.min(this.#entriesMax, capacityAtFirst);
    this.#symbolIndex = new Uint16Array(capacity);
    this.#timeOffsetMs = new Uint32Array(capacity);
    this.#price = new Float64Array(capacity);
    this.#size = new Float64Array(capacity);
    this.#conditionIndex = new Uint8Array(capacity);
    this.#flags = new Uint8Array(capacity);
    this.#tradeIdNumber = new Float64Array(capacity);
  }

  /** Adds a trade of the batch, which is the same one for the life of the builder. False when it does not fit: take the frame and add again. */
  addTrade(batch: TradeBatch, from: number): boolean {
    const i = this.count;
    const eventTimeMs = batch.eventTimeMs[from] as number;
    if (!this.#takesTime(eventTimeMs)) return false;
    const symbolNumber = batch.symbolNumber[from] as number;
    if (symbolNumber >= this.#symbolDictionaries.length) this.#growSymbols(symbolNumber);
    const isKnown = this.#symbolDictionaries[symbolNumber] === this.#dictionaryNumber;
    if (!isKnown && !this.#addSymbol(symbolNumber, batch.symbols[symbolNumber] as string)) return false;
    const conditionSet = batch.conditionSetNumber[from] as number;
    if (conditionSet === 0) this.#conditionIndex[i] = 0;
    else if (!this.#addConditions(i, conditionSet, batch.conditionSets[conditionSet] as readonly string[])) return false;
    const tradeIdNumber = batch.tradeIdNumber[from] as number;
    if (!Number.isNaN(tradeIdNumber)) this.#hasNumberId = true;
    else if (from < batch.tradeIdText.length && !this.#addTextId(i, batch.tradeIdText[from] as string)) return false;
    this.#symbolIndex[i] = this.#symbolIndexes[symbolNumber] as number;
    this.#timeOffsetMs[i] = eventTimeMs - this.#baseTimeMs;
    this.#price[i] = batch.price[from] as number;
    this.#size[i] = batch.size[from] as number;
    this.#flags[i] = batch.flags[from] as number;
    this.#tradeIdNumber[i] = tradeIdNumber;
    this.count = i + 1;
    return true;
  }

  addHeartbeat(eventTimeMs: number, flags = 0): boolean {
    if (!this.#takesTime(eventTimeMs)) return false;
    const i = this.count;
    this.#symbolIndex[i] = heartbeatIndex;
    this.#timeOffsetMs[i] = eventTimeMs - this.#baseTimeMs;
    this.#price[i] = 0;
    this.#size[i] = 0;
    this.#conditionIndex[i] = 0;
    this.#flags[i] = flags;
    this.#tradeIdNumber[i] = Number.NaN;
    this.count = i + 1;
    return true;
  }

  /** The entries so far; the builder starts over. */
  take(producerId: string, producerSequence: number): Frame {
    const hasTextId = this.#tradeIdText.length > 0;
    while (hasTextId && this.#tradeIdText.length < this.count) this.#tradeIdText.push('');
    const frame: Frame = {
      bucket: this.bucket,
      producerId,
      producerSequence,
      count: this.count,
      symbols: this.#symbols,
      conditionSets: this.#conditionSets,
      baseTimeMs: this.#baseTimeMs,
      symbolIndex: this.#symbolIndex,
      timeOffsetMs: this.#timeOffsetMs,
      price: this.#price,
      size: this.#size,
      conditionIndex: this.#conditionIndex,
      flags: this.#flags,
      isAhead: this.isAhead,
      tradeIdNumber: this.#hasNumberId ? this.#tradeIdNumber : undefined,
      tradeIdText: hasTextId ? this.#tradeIdText : undefined,
    };
    if (!this.#isDictionaryKept()) this.#forgetDictionary();
    this.count = 0;
    this.isAhead = false;
    this.#textIdBytes = 0;
    this.#hasNumberId = false;
    this.#tradeIdText = [];
    return frame;
  }

  /** A dictionary that is small beside its frame goes on as it is, so that who has read it once knows it by its bytes. */
  #isDictionaryKept(): boolean {
    const isSmall = this.count >= dictionaryKeptFrom && this.count >= this.#symbols.length && this.#dictionaryBytes <= textBytesMax / 2;
    return isSmall && this.#conditionSets.length < 256;
  }

  #forgetDictionary(): void {
    this.#dictionaryBytes = 0;
    this.#symbols = [];
    this.#conditionSets = [[]];
    this.#dictionaryNumber++;
  }

  /** The first entry sets the base so that disorder around it fits too: offsets reach 24 days back and forth. */
  #takesTime(eventTimeMs: number): boolean {
    if (this.count === this.#price.length && !this.#growColumns()) return false;
    if (this.count === 0) {
      this.#baseTimeMs = eventTimeMs - 0x7fffffff;
      return true;
    }
    const offset = eventTimeMs - this.#baseTimeMs;
    return offset >= 0 && offset <= 0xffffffff;
  }

  #growColumns(): boolean {
    const capacity = Math.min(this.#price.length * 2, this.#entriesMax);
    if (capacity === this.#price.length) return false;
    this.#symbolIndex = grown(new Uint16Array(capacity), this.#symbolIndex);
    this.#timeOffsetMs = grown(new Uint32Array(capacity), this.#timeOffsetMs);
    this.#price = grown(new Float64Array(capacity), this.#price);
    this.#size = grown(new Float64Array(capacity), this.#size);
    this.#conditionIndex = grown(new Uint8Array(capacity), this.#conditionIndex);
    this.#flags = grown(new Uint8Array(capacity), this.#flags);
    this.#tradeIdNumber = grown(new Float64Array(capacity), this.#tradeIdNumber);
    return true;
  }

  #addSymbol(symbolNumber: number, symbol: string): boolean {
    if (this.#symbols.length === heartbeatIndex - 1 || this.#textBytes > textBytesMax) return false;
    this.#symbolDictionaries[symbolNumber] = this.#dictionaryNumber;
    this.#symbolIndexes[symbolNumber] = this.#symbols.length;
    this.#symbols.push(symbol);
    this.#dictionaryBytes += jsonBytesMaxOf(symbol);
    return true;
  }

  #addConditions(i: number, conditionSetNumber: number, conditions: readonly string[]): boolean {
    if (conditionSetNumber >= this.#conditionDictionaries.length) this.#growConditions(conditionSetNumber);
    if (this.#conditionDictionaries[conditionSetNumber] !== this.#dictionaryNumber) {
      if (this.#conditionSets.length === 256) return false;
      this.#conditionDictionaries[conditionSetNumber] = this.#dictionaryNumber;
      this.#conditionIndexes[conditionSetNumber] = this.#conditionSets.length;
      this.#conditionSets.push(conditions);
      this.#dictionaryBytes += conditions.reduce((bytes, code) => bytes + jsonBytesMaxOf(code), 3);
    }
    this.#conditionIndex[i] = this.#conditionIndexes[conditionSetNumber] as number;
    return true;
  }

  #addTextId(i: number, tradeIdText: string): boolean {
    if (tradeIdText === '') return true;
    if (this.#textBytes > textBytesMax) return false;
    while (this.#tradeIdText.length < i) this.#tradeIdText.push('');
    this.#tradeIdText[i] = tradeIdText;
    this.#textIdBytes += jsonBytesMaxOf(tradeIdText);
    return true;
  }

  get #textBytes(): number {
    return this.#dictionaryBytes + this.#textIdBytes;
  }

  #growSymbols(symbolNumber: number): void {
    const length = Math.max(symbolNumber + 1, this.#symbolDictionaries.length * 2);
    this.#symbolDictionaries = grown(new Uint32Array(length), this.#symbolDictionaries);
    this.#symbolIndexes = grown(new Uint16Array(length), this.#symbolIndexes);
  }

  #growConditions(conditionSetNumber: number): void {
    const length = Math.max(conditionSetNumber + 1, this.#conditionDictionaries.length * 2);
    this.#conditionDictionaries = grown(new Uint32Array(length), this.#conditionDictionaries);
    this.#conditionIndexes = grown(new Uint8Array(length), this.#conditionIndexes);
  }
}
