import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bar } from '../core/bar.ts';
import type { Signal } from '../core/signal.ts';

/** Rows in memory before they go to the disk: some 4 MB of bars. */
const rowsInMemoryMax = 20_000;

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

/** Where a symbol's lines are in the file. */
type Segment = { readonly offset: number; readonly length: number };

/** Gathers rows by symbol. When there are too many, they go to a file as one segment of lines for each symbol; at the end a symbol at a time comes back. */
class RowsBySymbol<T extends Row> {
  readonly #compare: (a: T, b: T) => number;
  readonly #rows = new Map<string, T[]>();
  readonly #segments = new Map<string, Segment[]>();
  #rowCount = 0;
  #file: { readonly folder: string; readonly descriptor: number; size: number } | undefined;

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  add(row: T): void {
    const rows = this.#rows.get(row.symbol);
    if (rows === undefined) this.#rows.set(row.symbol, [row]);
    else rows.push(row);
    if (++this.#rowCount >= rowsInMemoryMax) this.#spill();
  }

  *sorted(): Generator<T> {
    const symbols = [...new Set([...this.#segments.keys(), ...this.#rows.keys()])].sort(byText);
    for (const symbol of symbols) {
      const rows = (this.#segments.get(symbol) ?? []).flatMap((segment) => this.#read(segment));
      yield* rows.concat(this.#rows.get(symbol) ?? []).sort(this.#compare);
    }
  }

  close(): void {
    if (this.#file === undefined) return;
    closeSync(this.#file.descriptor);
    rmSync(this.#file.folder, { recursive: true, force: true });
    this.#file = undefined;
  }

  #spill(): void {
    this.#file ??= openPassingFile();
    const parts: Buffer[] = [];
    for (const [symbol, rows] of this.#rows) {
      const lines = Buffer.from(rows.map((row) => JSON.stringify(row)).join('\n'));
      const segments = this.#segments.get(symbol) ?? [];
      segments.push({ offset: this.#file.size, length: lines.length });
      this.#segments.set(symbol, segments);
      this.#file.size += lines.length;
      parts.push(lines);
    }
    let bytes = Buffer.concat(parts);
    while (bytes.length > 0) bytes = bytes.subarray(writeSync(this.#file.descriptor, bytes));
    this.#rows.clear();
    this.#rowCount = 0;
  }

  #read({ offset, length }: Segment): T[] {
    const bytes = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; ) at += readSync((this.#file as { descriptor: number }).descriptor, bytes, at, length - at, offset + at);
    return bytes
      .toString()
      .split('\n')
      .map((line) => JSON.parse(line) as T);
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
