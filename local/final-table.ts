import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bar } from '../core/bar.ts';
import type { Signal } from '../core/signal.ts';

/** Before they go to the disk. */
const rowsInMemoryMax = 20_000;
/** Of 20,000 bars, or of a good many long signals. */
const bytesInMemoryMax = 6 * 1024 * 1024;

/** The standing bars and signals of one replay, in order of their keys. A table larger than memory waits on the disk. */
export class FinalTable {
  readonly #bars = new RowsBySymbol<Bar>((a, b) => byWindow(a, b) || a.rev - b.rev);
  readonly #signals = new RowsBySymbol<Signal>(
    (a, b) => byWindow(a, b) || byText(a.strategy, b.strategy) || byText(a.signalId, b.signalId),
  );

  addBar(bar: Bar): void {
    this.#bars.add(bar);
  }

  addSignal(signal: Signal): void {
    this.#signals.add(signal);
  }

  /** By (symbol, windowStartMs, windowEndMs), of each the one with the highest `rev`. */
  *bars(): Generator<Bar> {
    let last: Bar | undefined;
    for (const bar of this.#bars.sorted()) {
      if (last !== undefined && (last.symbol !== bar.symbol || byWindow(last, bar) !== 0)) yield last;
      last = bar;
    }
    if (last !== undefined) yield last;
  }

  /** By (symbol, windowStartMs, windowEndMs, strategy, signalId). */
  signals(): Iterable<Signal> {
    return this.#signals.sorted();
  }

  close(): void {
    this.#bars.close();
    this.#signals.close();
  }
}

type Row = { readonly symbol: string; readonly windowStartMs: number; readonly windowEndMs: number };

/**
 * Gathers rows by symbol, as lines in one buffer: as objects they would outlive the collector's young generation, and be garbage by the hundred
 * megabytes before it looks at the old one. A full buffer goes to a file as one segment of lines for each symbol; at the end a symbol at a time
 * comes back.
 */
class RowsBySymbol<T extends Row> {
  readonly #compare: (a: T, b: T) => number;
  readonly #lines = Buffer.allocUnsafe(bytesInMemoryMax);
  /** The end of each line, and which line of the same symbol came before it, -1 for none. */
  readonly #ends = new Int32Array(rowsInMemoryMax);
  readonly #before = new Int32Array(rowsInMemoryMax);
  readonly #lastOf = new Map<string, number>();
  #rowCount = 0;
  /** Offset and length in the file of each segment, by symbol. */
  readonly #segments = new Map<string, number[]>();
  readonly #bySymbol = Buffer.allocUnsafe(bytesInMemoryMax);
  #file: { readonly folder: string; readonly descriptor: number; size: number } | undefined;

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  add(row: T): void {
    const line = `${JSON.stringify(row)}\n`;
    const bytes = Buffer.byteLength(line);
    if (this.#rowCount === rowsInMemoryMax || this.#endOf(this.#rowCount - 1) + bytes > bytesInMemoryMax) this.#spill();
    const start = this.#endOf(this.#rowCount - 1);
    this.#ends[this.#rowCount] = start + this.#lines.write(line, start);
    this.#before[this.#rowCount] = this.#lastOf.get(row.symbol) ?? -1;
    this.#lastOf.set(row.symbol, this.#rowCount++);
  }

  *sorted(): Generator<T> {
    this.#spill();
    for (const symbol of [...this.#segments.keys()].sort(byText)) yield* this.#read(this.#segments.get(symbol) ?? []).sort(this.#compare);
  }

  close(): void {
    if (this.#file === undefined) return;
    closeSync(this.#file.descriptor);
    rmSync(this.#file.folder, { recursive: true, force: true });
    this.#file = undefined;
  }

  #endOf(row: number): number {
    return row < 0 ? 0 : (this.#ends[row] as number);
  }

  #spill(): void {
    this.#file ??= openPassingFile();
    let size = 0;
    for (const [symbol, last] of this.#lastOf) {
      const start = size;
      for (let row = last; row >= 0; row = this.#before[row] as number)
        size += this.#lines.copy(this.#bySymbol, size, this.#endOf(row - 1), this.#endOf(row));
      const segments = this.#segments.get(symbol) ?? [];
      segments.push(this.#file.size + start, size - start);
      this.#segments.set(symbol, segments);
    }
    for (let at = 0; at < size; ) at += writeSync(this.#file.descriptor, this.#bySymbol, at, size - at);
    this.#file.size += size;
    this.#lastOf.clear();
    this.#rowCount = 0;
  }

  #read(segments: readonly number[]): T[] {
    const rows: T[] = [];
    for (let i = 0; i < segments.length; i += 2) {
      const [offset, length] = segments.slice(i, i + 2) as [number, number];
      const bytes = Buffer.allocUnsafe(length);
      for (let at = 0; at < length; )
        at += readSync((this.#file as { descriptor: number }).descriptor, bytes, at, length - at, offset + at);
      for (const line of bytes.toString().trimEnd().split('\n')) rows.push(JSON.parse(line) as T);
    }
    return rows;
  }
}

function openPassingFile() {
  const folder = mkdtempSync(join(tmpdir(), 'tapeline-'));
  return { folder, descriptor: openSync(join(folder, 'rows.ndjson'), 'w+'), size: 0 };
}

function byWindow(a: Row, b: Row): number {
  return a.windowStartMs - b.windowStartMs || a.windowEndMs - b.windowEndMs;
}

/** By code point, as databases compare UTF-8; JavaScript's own order differs beyond the first 65,536 characters. */
function byText(a: string, b: string): number {
  if (a === b) return 0;
  return surrogate.test(a) || surrogate.test(b) ? Buffer.compare(Buffer.from(a), Buffer.from(b)) : a < b ? -1 : 1;
}

const surrogate = /[\ud800-\udfff]/;
