import { grown } from './grown.ts';

/** Unix milliseconds, UTC; a whole number, negative before 1970. */
export type EpochMs = number;

/** One executed match. `price` and `size` are the float64 nearest to the venue's decimals, which prints back the same. */
export type Trade = {
  readonly symbol: string;
  /** When it happened at the venue. */
  readonly eventTimeMs: EpochMs;
  /** Above zero. */
  readonly price: number;
  /** Shares, coins or contracts; above zero. */
  readonly size: number;
  /** The venue's name for this trade. Two trades of one symbol with one id in one window are one trade. */
  readonly tradeId?: string;
  /** Sale condition codes, as the venue gives them. */
  readonly conditions?: readonly string[];
};

/** The furthest event times that a JavaScript `Date` can show; a time beyond them is a broken unit, not a trade. */
export const eventTimeMaxMs = 8_640_000_000_000_000;

/** No price or size of any market is beyond these; a sum of price × size stays a number within them. */
export const amountMin = 1e-100;
export const amountMax = 1e100;

/** At most this many UTF-8 bytes in a symbol and in a trade id. */
export const symbolBytesMax = 64;
export const tradeIdBytesMax = 128;

/** The packed columns' flag for one update of the feed that stands for several trades. */
export const conflatedFlag = 1;

/**
 * Trades as columns, in the order they were read. A feed fills it, the framer empties it; nothing is allocated per trade.
 * Symbols and condition sets are numbered once for the life of the batch, so that a feed can look a number up and forget the text.
 */
export class TradeBatch {
  length = 0;
  symbolNumber: Uint32Array;
  eventTimeMs: Float64Array;
  price: Float64Array;
  size: Float64Array;
  /** A trade id that is a whole number in plain decimal form (`'17'`, not `'017'`); NaN for no id or another text. */
  tradeIdNumber: Float64Array;
  /** Any other id; '' where there is none. Empty array until the first such id. */
  tradeIdText: string[] = [];
  conditionSetNumber: Uint16Array;
  flags: Uint8Array;

  readonly symbols: string[] = [];
  /** Number 0 is the empty set. */
  readonly conditionSets: (readonly string[])[] = [[]];
  readonly #symbolNumbers = new Map<string, number>();
  readonly #conditionSetNumbers = new Map<string, number>([['', 0]]);

  constructor(capacity = 4096) {
    this.symbolNumber = new Uint32Array(capacity);
    this.eventTimeMs = new Float64Array(capacity);
    this.price = new Float64Array(capacity);
    this.size = new Float64Array(capacity);
    this.tradeIdNumber = new Float64Array(capacity);
    this.conditionSetNumber = new Uint16Array(capacity);
    this.flags = new Uint8Array(capacity);
  }

  numberOfSymbol(symbol: string): number {
    const known = this.#symbolNumbers.get(symbol);
    if (known !== undefined) return known;
    this.symbols.push(symbol);
    this.#symbolNumbers.set(symbol, this.symbols.length - 1);
    return this.symbols.length - 1;
  }

  /** Order and repeats within a set are kept as given. At most 65,536 different sets in the life of a batch. */
  numberOfConditionSet(conditions: readonly string[]): number {
    const key = conditions.join('\u0000');
    const known = conditions.length === 0 ? 0 : this.#conditionSetNumbers.get(key);
    if (known !== undefined) return known;
    this.conditionSets.push(conditions);
    this.#conditionSetNumbers.set(key, this.conditionSets.length - 1);
    return this.conditionSets.length - 1;
  }

  /** Appends one trade. `tradeIdNumber` is NaN when the id is in `tradeIdText` or there is none. */
  add(
    symbolNumber: number,
    eventTimeMs: number,
    price: number,
    size: number,
    tradeIdNumber = Number.NaN,
    tradeIdText = '',
    conditionSetNumber = 0,
    flags = 0,
  ): void {
    const i = this.nextIndex();
    this.symbolNumber[i] = symbolNumber;
    this.eventTimeMs[i] = eventTimeMs;
    this.price[i] = price;
    this.size[i] = size;
    this.tradeIdNumber[i] = tradeIdNumber;
    this.conditionSetNumber[i] = conditionSetNumber;
    this.flags[i] = flags;
    this.take(tradeIdText);
  }

  /**
   * Where the next trade goes. A scanner writes its numbers there as it reads them, and calls `take` once all columns have theirs: handed
   * over as arguments, each would become an object on the heap.
   */
  nextIndex(): number {
    if (this.length === this.price.length) this.#grow();
    return this.length;
  }

  /** Takes what is at `nextIndex()` as a trade. */
  take(tradeIdText: string): void {
    if (tradeIdText !== '') {
      while (this.tradeIdText.length < this.length) this.tradeIdText.push('');
      this.tradeIdText[this.length] = tradeIdText;
    }
    this.length++;
  }

  /** Forgets the trades and keeps the numbering. */
  clear(): void {
    this.length = 0;
    this.tradeIdText.length = 0;
  }

  #grow(): void {
    const capacity = this.price.length * 2;
    this.symbolNumber = grown(new Uint32Array(capacity), this.symbolNumber);
    this.eventTimeMs = grown(new Float64Array(capacity), this.eventTimeMs);
    this.price = grown(new Float64Array(capacity), this.price);
    this.size = grown(new Float64Array(capacity), this.size);
    this.tradeIdNumber = grown(new Float64Array(capacity), this.tradeIdNumber);
    this.conditionSetNumber = grown(new Uint16Array(capacity), this.conditionSetNumber);
    this.flags = grown(new Uint8Array(capacity), this.flags);
  }
}

/** The number in a trade id of plain decimal form, NaN for any other text. Ids up to 2^53 keep their exact value. */
export function tradeIdNumberOf(tradeId: string): number {
  const value = Number(tradeId);
  return Number.isSafeInteger(value) && value >= 0 && String(value) === tradeId ? value : Number.NaN;
}
