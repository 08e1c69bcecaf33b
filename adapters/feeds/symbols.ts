import type { TradeBatch } from '../../core/trade.ts';
import { ByteTable } from './byte-table.ts';

/**
 * From the bytes of a symbol, or of a condition set, to its number in the batch that is being filled. Only what went through the
 * careful path once is in here, so that equal bytes need no second look.
 */
export class BatchNumbers<T> {
  readonly #table = new ByteTable();
  readonly #values: T[] = [];
  readonly #numberOf: (batch: TradeBatch, value: T) => number;
  #batch: TradeBatch | undefined;
  /** Number in `batch` by number in `table`; -1 where not asked for yet. */
  #numbers = new Int32Array(0);

  constructor(numberOf: (batch: TradeBatch, value: T) => number) {
    this.#numberOf = numberOf;
  }

  get count(): number {
    return this.#table.count;
  }

  /** The entry of these bytes; -1 when they were never added. */
  find(view: DataView, start: number, end: number): number {
    return this.#table.find(view, start, end);
  }

  /** Makes bytes known that `find` did not find, and returns their entry. */
  add(view: DataView, start: number, end: number, value: T): number {
    this.#values.push(value);
    return this.#table.add(view, start, end);
  }

  /** The number of an entry in `batch`. A batch learns of a value with its first trade, not before. */
  numberIn(batch: TradeBatch, entry: number): number {
    if (batch !== this.#batch || entry >= this.#numbers.length) this.#forgetNumbers(batch);
    const known = this.#numbers[entry] as number;
    if (known >= 0) return known;
    const number = this.#numberOf(batch, this.#values[entry] as T);
    this.#numbers[entry] = number;
    return number;
  }

  #forgetNumbers(batch: TradeBatch): void {
    this.#batch = batch;
    this.#numbers = new Int32Array(Math.max(64, this.#table.count * 2)).fill(-1);
  }
}
