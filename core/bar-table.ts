import type { Calendar } from './calendar.ts';
import { touchesHighLow, touchesLast, touchesVolume } from './conditions.ts';
import { type Frame, heartbeatIndex } from './frame.ts';
import { addTo, sumOf } from './sum.ts';
import { floorToWindow, saturatingAdd } from './window.ts';

/**
 * The windows of one interval in one bucket: each (symbol, window) is a row of 16 float64 slots in one slab.
 *
 *     removed          closed, within allowed lateness     open
 *   ------------|------------------------------------|------------------▶ window end
 *               W - allowedLatenessMs                W (watermark)
 *
 * Windows with one start form a group; groups are in order of start, closed ones first. Rows of one symbol are linked from the newest
 * window to the oldest, so that a trade in order finds its row at once.
 */
const stride = 16;
const slot = {
  startMs: 0,
  open: 1,
  high: 2,
  low: 3,
  close: 4,
  openTimeMs: 5,
  closeTimeMs: 6,
  volume: 7, // and 8: what rounding took
  notional: 9, // and 10
  tradeCount: 11,
  rev: 12, // the next one to give out
  symbol: 13,
  older: 14, // row of the same symbol's next older window, -1 for none
  newer: 15,
} as const;

export type BarTableOptions = {
  readonly windowSizeMs: number;
  readonly offsetMs: number;
  readonly allowedLatenessMs: number;
  /** Whether a symbol that has traded gets a bar, with its last close, for each window without trades in the calendar's hours. */
  readonly carriesEmptyWindows: boolean;
  readonly calendar: Calendar;
};

/** Takes a bar as it is given out; it is valid until the sink returns. */
export type BarSink = (table: BarTable, symbol: number, bar: GivenBar) => void;

/** One object for all bars: numbers that are handed over one by one would each be put into an object of their own. */
export type GivenBar = {
  windowStartMs: number;
  /** NaN prices: the window's trades may only touch the volume. */
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
  notional: number;
  tradeCount: number;
  rev: number;
};

/** Where a run of plain trades is, what it may not pass, and what it has seen; changed as it goes. */
export type PlainRun = {
  /** Index in the frame of the next trade, and the first that is not for the run. */
  next: number;
  end: number;
  /** A trade after this is too far ahead. */
  readonly latestMs: number;
  readonly outOfOrdernessMs: number;
  /** Entries that were no trade, but told the time. */
  heartbeats: number;
  /** Sum in two slots of the sizes. */
  readonly volume: Float64Array;
  /** The least and the greatest event time so far, and the watermark that the next trade meets. */
  firstMs: number;
  lastMs: number;
  watermarkMs: number;
  /** By the frame's index of a symbol: the row of its newest window if that is open, else -1; as long as `openRowsVersion` is the table's. */
  readonly openRows: Int32Array;
  openRowsVersion: number;
};

type Group = { startMs: number; rows: number[] };

export class BarTable {
  readonly windowSizeMs: number;
  readonly offsetMs: number;
  readonly #allowedLatenessMs: number;
  readonly #carries: boolean;
  readonly #calendar: Calendar;
  #rows = new Float64Array(64 * stride);
  /** Row 0 is no window's: a store that is not to be goes there. */
  #rowCount = 1;
  #freeRows: number[] = [];
  /** Newest row of each symbol, -1 for none. */
  #newest = new Int32Array(64).fill(-1);
  #groups: Group[] = [];
  #closedGroups = 0;
  /** Rises whenever a symbol's newest row may be another one, or closed. */
  #openRowsVersion = 0;
  /** The window asked for last: trades come nearly in order, and a division costs more than a comparison. */
  #lastStartMs = Number.NaN;
  /** With carried windows only: what each symbol carries into windows without trades, in slots of `carriedSlot`. */
  #carried = emptyCarried(64);
  /** With carried windows only: the latest `untilMs` of all symbols. */
  #carriesUntilMs = Number.NEGATIVE_INFINITY;
  #symbolCount = 0;
  readonly #given: GivenBar = {
    windowStartMs: Number.NaN,
    open: Number.NaN,
    high: Number.NaN,
    low: Number.NaN,
    close: Number.NaN,
    volume: Number.NaN,
    notional: Number.NaN,
    tradeCount: Number.NaN,
    rev: Number.NaN,
  };
  /** With carried windows only: the end of the next window to close, with or without trades. */
  #nextBoundaryMs = Number.POSITIVE_INFINITY;
  /** Counts over the life of the bucket. */
  barCount = 0;
  revisionCount = 0;
  tradeCount = 0;
  lateCount = 0;
  /** End of the first window that is still open; +Infinity for none. */
  nextEndMs = Number.POSITIVE_INFINITY;
  /** When the oldest closed window goes; +Infinity for none. */
  nextRemovalMs = Number.POSITIVE_INFINITY;
  /** Windows that end by then are closed, also where the watermark has not come so far: the input was over. */
  closedThroughMs = Number.NEGATIVE_INFINITY;

  constructor(options: BarTableOptions) {
    this.windowSizeMs = options.windowSizeMs;
    this.offsetMs = options.offsetMs;
    this.#allowedLatenessMs = options.allowedLatenessMs;
    this.#carries = options.carriesEmptyWindows;
    this.#calendar = options.calendar;
  }

  addSymbol(symbol: number): void {
    if (symbol >= this.#newest.length) this.#growSymbols(symbol);
    this.#symbolCount = Math.max(this.#symbolCount, symbol + 1);
  }

  /**
   * Adds one trade, in log order, with the watermark that it meets. A window that was closed before is given out again at once, whole, with
   * the next `rev`. False: the window is gone, nothing was changed, the trade is late here.
   */
  add(symbol: number, eventTimeMs: number, price: number, size: number, touches: number, watermarkMs: number, sink: BarSink): boolean {
    const rows = this.#rows;
    const newest = this.#newest[symbol] as number;
    const sinceStartMs = newest < 0 ? -1 : eventTimeMs - (rows[newest] as number);
    let row = newest;
    if (!(sinceStartMs >= 0 && sinceStartMs < this.windowSizeMs)) {
      this.#openRowsVersion++;
      row = this.#rowFor(symbol, eventTimeMs, watermarkMs);
      if (row < 0) {
        this.lateCount++;
        return false;
      }
    }
    this.tradeCount++;
    this.#update(row, eventTimeMs, price, size, touches);
    const closedMs = Math.max(watermarkMs, this.closedThroughMs);
    // A trade that is not behind that is in a window that is open.
    if (eventTimeMs < closedMs && closedMs >= (this.#rows[row] as number) + this.windowSizeMs) {
      if (this.#carries) this.#beginCarrying(closedMs);
      this.#giveOut(row, sink);
    }
    return true;
  }

  /**
   * Adds trades from `run.next` on for as long as they are plain: in a window that is open or new, and with nothing to close. What `add`
   * would do with them, several times faster; it stops at the first trade that needs more.
   */
  addPlain(frame: Frame, symbols: Int32Array, run: PlainRun): void {
    if (run.openRowsVersion !== this.#openRowsVersion) this.#findOpenRows(symbols, run);
    do this.#addToOpenRows(frame, run);
    while (run.next < run.end && this.#openRowFor(frame, symbols, run));
  }

  #findOpenRows(symbols: Int32Array, run: PlainRun): void {
    const openFromMs = this.nextEndMs - this.windowSizeMs;
    for (let index = 0; index < symbols.length; index++) {
      const symbol = symbols[index] as number;
      const row = symbol < 0 ? -1 : (this.#newest[symbol] as number);
      run.openRows[index] = row >= 0 && (this.#rows[row] as number) >= openFromMs ? row : -1;
    }
    run.openRowsVersion = this.#openRowsVersion;
  }

  /** Makes the row of the run's next trade; false if that is not all it needs. */
  #openRowFor({ symbolIndex, timeOffsetMs, baseTimeMs }: Frame, symbols: Int32Array, run: PlainRun): boolean {
    const index = symbolIndex[run.next] as number;
    const symbol = index < symbols.length ? (symbols[index] as number) : -1;
    const eventTimeMs = baseTimeMs + (timeOffsetMs[run.next] as number);
    if (symbol < 0 || eventTimeMs > run.latestMs || eventTimeMs < run.watermarkMs) return false;
    if (eventTimeMs - run.outOfOrdernessMs >= this.nextActionMs) return false;
    const newest = this.#newest[symbol] as number;
    if (newest >= 0 && eventTimeMs < (this.#rows[newest] as number)) return false;
    run.openRows[index] = this.#rowFor(symbol, eventTimeMs, run.watermarkMs);
    if (eventTimeMs < run.firstMs) run.firstMs = eventTimeMs;
    return true;
  }

  /**
   * The hot loop: what `#update` does for a trade that touches all, written out. Nothing in it changes which rows are open.
   *
   * Whether a price is a new high cannot be foreseen, and a branch that is foreseen wrongly costs as much as all else that a trade needs. So
   * high and low are stored always: in their slot when the condition is 1, and at 0, where no row is, when it is 0.
   */
  #addToOpenRows(frame: Frame, run: PlainRun): void {
    const { symbolIndex, timeOffsetMs, price: prices, size: sizes, flags, baseTimeMs } = frame;
    const { next, end, openRows, outOfOrdernessMs, volume } = run;
    const { windowSizeMs } = this;
    const rows = this.#rows;
    const stopMs = Math.min(run.latestMs + 1, this.nextActionMs + outOfOrdernessMs);
    let { firstMs, lastMs } = run;
    let toldMs = Number.NEGATIVE_INFINITY;
    let heartbeats = 0;
    // The sum of all sizes in locals: as slots, each addition would wait for the one before to be stored.
    let volumeSum = volume[0] as number;
    let volumeRest = volume[1] as number;
    let i = next;
    for (; i < end; i++) {
      const index = symbolIndex[i] as number;
      const eventTimeMs = baseTimeMs + (timeOffsetMs[i] as number);
      if (eventTimeMs >= stopMs) break;
      if (index >= openRows.length) {
        if (index !== heartbeatIndex || flags[i] !== 0) break;
        if (eventTimeMs > toldMs) toldMs = eventTimeMs;
        heartbeats++;
        continue;
      }
      const openRow = openRows[index] as number;
      if (openRow < 0) break;
      // With 30 bits the compiler knows that no slot's index overflows.
      const row = openRow & 0x3fffffff;
      const startMs = rows[row] as number;
      if (eventTimeMs < startMs || eventTimeMs >= startMs + windowSizeMs) break;
      if (eventTimeMs > lastMs) lastMs = eventTimeMs;
      else if (eventTimeMs < firstMs) firstMs = eventTimeMs;
      const price = prices[i] as number;
      const size = sizes[i] as number;
      if (eventTimeMs < (rows[row + slot.openTimeMs] as number)) {
        rows[row + slot.open] = price;
        rows[row + slot.openTimeMs] = eventTimeMs;
      }
      if (eventTimeMs >= (rows[row + slot.closeTimeMs] as number)) {
        rows[row + slot.close] = price;
        rows[row + slot.closeTimeMs] = eventTimeMs;
      }
      rows[Math.imul(row + slot.high, Number(price > (rows[row + slot.high] as number)))] = price;
      rows[Math.imul(row + slot.low, Number(price < (rows[row + slot.low] as number)))] = price;
      addTo(rows, row + slot.volume, size);
      addTo(rows, row + slot.notional, price * size);
      rows[row + slot.tradeCount] = (rows[row + slot.tradeCount] as number) + 1;
      const sum = volumeSum + size;
      const rounded = sum - volumeSum;
      volumeRest += volumeSum - (sum - rounded) + (size - rounded);
      volumeSum = sum;
    }
    volume[0] = volumeSum;
    volume[1] = volumeRest;
    this.tradeCount += i - next - heartbeats;
    run.heartbeats += heartbeats;
    run.next = i;
    run.firstMs = firstMs;
    run.lastMs = lastMs;
    run.watermarkMs = Math.max(run.watermarkMs, Math.max(lastMs, toldMs) - outOfOrdernessMs);
  }

  /** The next watermark at which a window closes or goes. */
  get nextActionMs(): number {
    return Math.min(this.nextEndMs, this.nextRemovalMs);
  }

  /** Closes the first open window of the interval; call while `nextEndMs <= watermark`. */
  closeNext(sink: BarSink): void {
    this.#openRowsVersion++;
    const group = this.#groups[this.#closedGroups];
    const endMs = this.nextEndMs;
    if (group !== undefined && group.startMs + this.windowSizeMs === endMs) {
      for (const row of group.rows) this.#giveOut(row, sink);
      this.#closedGroups++;
      this.nextRemovalMs = this.#removalOf(this.#groups[0] as Group);
    }
    if (this.#carries) this.#carryInto(endMs - this.windowSizeMs, group?.startMs === endMs - this.windowSizeMs ? group : undefined, sink);
    this.#setNextEnd();
  }

  /** Forgets the windows whose allowed lateness is over. */
  removeThrough(watermarkMs: number): void {
    while (this.nextRemovalMs <= watermarkMs) {
      this.#openRowsVersion++;
      const group = this.#groups.shift() as Group;
      this.#closedGroups--;
      for (const row of group.rows) this.#removeRow(row);
      this.nextRemovalMs = this.#closedGroups > 0 ? this.#removalOf(this.#groups[0] as Group) : Number.POSITIVE_INFINITY;
    }
  }

  /** The end of the window that holds a time. */
  endOf(eventTimeMs: number): number {
    return this.#startOf(eventTimeMs) + this.windowSizeMs;
  }

  #startOf(eventTimeMs: number): number {
    const sinceStartMs = eventTimeMs - this.#lastStartMs;
    if (!(sinceStartMs >= 0 && sinceStartMs < this.windowSizeMs)) {
      this.#lastStartMs = floorToWindow(eventTimeMs, this.windowSizeMs, this.offsetMs);
    }
    return this.#lastStartMs;
  }

  #removalOf(group: Group): number {
    return saturatingAdd(group.startMs + this.windowSizeMs, this.#allowedLatenessMs);
  }

  #setNextEnd(): void {
    const open = this.#groups[this.#closedGroups];
    this.nextEndMs = open === undefined ? Number.POSITIVE_INFINITY : open.startMs + this.windowSizeMs;
    if (this.#carries && this.#nextBoundaryMs < this.nextEndMs) this.nextEndMs = this.#nextBoundaryMs;
  }

  #update(row: number, eventTimeMs: number, price: number, size: number, touches: number): void {
    const rows = this.#rows;
    if (touches & touchesLast) {
      if (eventTimeMs < (rows[row + slot.openTimeMs] as number)) {
        rows[row + slot.open] = price;
        rows[row + slot.openTimeMs] = eventTimeMs;
      }
      // The log comes in order, so of two trades of one time the later one closes, and the earlier one opens.
      if (eventTimeMs >= (rows[row + slot.closeTimeMs] as number)) {
        rows[row + slot.close] = price;
        rows[row + slot.closeTimeMs] = eventTimeMs;
      }
    }
    if (touches & touchesHighLow) {
      if (price > (rows[row + slot.high] as number)) rows[row + slot.high] = price;
      if (price < (rows[row + slot.low] as number)) rows[row + slot.low] = price;
    }
    if (touches & touchesVolume) {
      addTo(rows, row + slot.volume, size);
      addTo(rows, row + slot.notional, price * size);
    }
    rows[row + slot.tradeCount] = (rows[row + slot.tradeCount] as number) + 1;
  }

  #giveOut(row: number, sink: BarSink): void {
    const rows = this.#rows;
    const rev = rows[row + slot.rev] as number;
    if (rev === 0) this.barCount++;
    else this.revisionCount++;
    rows[row + slot.rev] = rev + 1;
    const symbol = rows[row + slot.symbol] as number;
    const high = rows[row + slot.high] as number;
    const low = rows[row + slot.low] as number;
    const close = rows[row + slot.close] as number;
    if (this.#carries && !Number.isNaN(close) && this.#newestClosed(symbol, row))
      this.#setLastClose(symbol, close, (rows[row] as number) + this.windowSizeMs);
    const bar = this.#given;
    bar.windowStartMs = rows[row] as number;
    bar.open = rows[row + slot.open] as number;
    bar.high = high === Number.NEGATIVE_INFINITY ? Number.NaN : high;
    bar.low = low === Number.POSITIVE_INFINITY ? Number.NaN : low;
    bar.close = close;
    bar.volume = sumOf(rows, row + slot.volume);
    bar.notional = (rows[row + slot.notional] as number) + (rows[row + slot.notional + 1] as number);
    bar.tradeCount = rows[row + slot.tradeCount] as number;
    bar.rev = rev;
    sink(this, symbol, bar);
  }

  /** Whether no younger window of the symbol has given a close: only then is its close the one to carry. */
  #newestClosed(symbol: number, row: number): boolean {
    for (let other = this.#newest[symbol] as number; other >= 0 && other !== row; other = this.#rows[other + slot.older] as number) {
      if ((this.#rows[other + slot.rev] as number) > 0 && !Number.isNaN(this.#rows[other + slot.close])) return false;
    }
    return true;
  }

  /** Gives every symbol that has traded, and has no trade in this window, a bar of its last close. */
  #carryInto(startMs: number, group: Group | undefined, sink: BarSink): void {
    const nextStartMs = startMs + this.windowSizeMs;
    this.#nextBoundaryMs = nextStartMs < this.#carriesUntilMs ? nextStartMs + this.windowSizeMs : Number.POSITIVE_INFINITY;
    if (!this.#calendar.isOpen(startMs)) return;
    const hasTrades = new Set<number>();
    for (const row of group?.rows ?? []) hasTrades.add(this.#rows[row + slot.symbol] as number);
    for (let symbol = 0; symbol < this.#symbolCount; symbol++) {
      const at = symbol * carriedStride;
      const close = this.#carried[at + carriedSlot.close] as number;
      if (Number.isNaN(close) || startMs >= (this.#carried[at + carriedSlot.untilMs] as number) || hasTrades.has(symbol)) continue;
      this.barCount++;
      const prices = { windowStartMs: startMs, open: close, high: close, low: close, close };
      sink(this, symbol, { ...prices, volume: 0, notional: 0, tradeCount: 0, rev: 0 });
    }
  }

  /** The row of a symbol's window that is not its newest: found, made, or -1 when the window is gone. */
  #rowFor(symbol: number, eventTimeMs: number, watermarkMs: number): number {
    const startMs = this.#startOf(eventTimeMs);
    let newer = -1;
    let older = this.#newest[symbol] as number;
    while (older >= 0 && (this.#rows[older] as number) > startMs) {
      newer = older;
      older = this.#rows[older + slot.older] as number;
    }
    if (older >= 0 && this.#rows[older] === startMs) return older;
    if (watermarkMs >= saturatingAdd(startMs + this.windowSizeMs, this.#allowedLatenessMs)) return -1;
    return this.#makeRow(symbol, startMs, older, newer, Math.max(watermarkMs, this.closedThroughMs));
  }

  #makeRow(symbol: number, startMs: number, older: number, newer: number, closedMs: number): number {
    const row = this.#freeRows.pop() ?? this.#appendRow();
    const rows = this.#rows;
    rows[row] = startMs;
    rows[row + slot.open] = Number.NaN;
    rows[row + slot.high] = Number.NEGATIVE_INFINITY;
    rows[row + slot.low] = Number.POSITIVE_INFINITY;
    rows[row + slot.close] = Number.NaN;
    rows[row + slot.openTimeMs] = Number.POSITIVE_INFINITY;
    rows[row + slot.closeTimeMs] = Number.NEGATIVE_INFINITY;
    for (let i = row + slot.volume; i < row + slot.rev; i++) rows[i] = 0;
    // A window that has been closed with a carried bar was given out once already.
    rows[row + slot.rev] = this.#wasCarried(symbol, startMs, closedMs) ? 1 : 0;
    rows[row + slot.symbol] = symbol;
    rows[row + slot.older] = older;
    rows[row + slot.newer] = newer;
    if (older >= 0) rows[older + slot.newer] = row;
    if (newer >= 0) rows[newer + slot.older] = row;
    else this.#newest[symbol] = row;
    this.#groupOf(startMs, closedMs).rows.push(row);
    return row;
  }

  #appendRow(): number {
    const row = this.#rowCount * stride;
    if (row === this.#rows.length) {
      const rows = new Float64Array(row * 2);
      rows.set(this.#rows);
      this.#rows = rows;
    }
    this.#rowCount++;
    return row;
  }

  #removeRow(row: number): void {
    const rows = this.#rows;
    const newer = rows[row + slot.newer] as number;
    if (newer >= 0) rows[newer + slot.older] = -1;
    else this.#newest[rows[row + slot.symbol] as number] = -1;
    this.#freeRows.push(row);
  }

  /** The group of a start, made in its place when there is none. */
  #groupOf(startMs: number, closedMs: number): Group {
    let place = this.#groups.length;
    while (place > 0 && (this.#groups[place - 1] as Group).startMs > startMs) place--;
    const found = this.#groups[place - 1];
    if (found !== undefined && found.startMs === startMs) return found;
    const group: Group = { startMs, rows: [] };
    this.#groups.splice(place, 0, group);
    if (closedMs >= startMs + this.windowSizeMs) this.#closedGroups++;
    if (this.#closedGroups > 0) this.nextRemovalMs = this.#removalOf(this.#groups[0] as Group);
    this.#setNextEnd();
    return group;
  }

  /** A symbol whose first bar comes after the close of its window is carried from there on, like one whose bar came on time. */
  #beginCarrying(closedMs: number): void {
    if (this.#nextBoundaryMs !== Number.POSITIVE_INFINITY) return;
    this.#nextBoundaryMs = floorToWindow(closedMs, this.windowSizeMs, this.offsetMs) + this.windowSizeMs;
    this.#setNextEnd();
  }

  #setLastClose(symbol: number, close: number, windowEndMs: number): void {
    const carried = this.#carried;
    const at = symbol * carriedStride;
    const closedThroughMs = this.#nextBoundaryMs === Number.POSITIVE_INFINITY ? windowEndMs : this.#nextBoundaryMs - this.windowSizeMs;
    const startMs = Math.max(windowEndMs, closedThroughMs);
    const untilMs = carried[at + carriedSlot.untilMs] as number;
    if (Number.isNaN(carried[at + carriedSlot.close])) carried[at + carriedSlot.fromMs] = startMs;
    else if (startMs > untilMs) {
      carried[at + carriedSlot.gapFromMs] = untilMs;
      carried[at + carriedSlot.gapToMs] = startMs;
    }
    carried[at + carriedSlot.close] = close;
    carried[at + carriedSlot.untilMs] = Math.max(untilMs, windowEndMs + carryMaxMs);
    this.#carriesUntilMs = Math.max(this.#carriesUntilMs, windowEndMs + carryMaxMs);
  }

  /** Whether a closed window was given out with a carried close before its first trade came. */
  #wasCarried(symbol: number, startMs: number, closedMs: number): boolean {
    const at = symbol * carriedStride;
    if (!this.#carries || closedMs < startMs + this.windowSizeMs || Number.isNaN(this.#carried[at + carriedSlot.close])) return false;
    const [, fromMs, untilMs, gapFromMs, gapToMs] = this.#carried.subarray(at, at + carriedStride) as unknown as [
      number,
      number,
      number,
      number,
      number,
    ];
    const isInGap = startMs >= gapFromMs && startMs < gapToMs;
    return startMs >= fromMs && startMs < untilMs && !isInGap && this.#calendar.isOpen(startMs);
  }

  #growSymbols(symbol: number): void {
    const length = Math.max(symbol + 1, this.#newest.length * 2);
    const newest = new Int32Array(length).fill(-1);
    newest.set(this.#newest);
    this.#newest = newest;
    const carried = emptyCarried(length);
    carried.set(this.#carried);
    this.#carried = carried;
  }

  /** Everything, as float64: the counts, then the rows oldest window first, then what is carried. */
  snapshot(): Float64Array {
    const rowCount = this.#groups.reduce((count, group) => count + group.rows.length, 0);
    const symbolCount = this.#carries ? this.#symbolCount : 0;
    const values = new Float64Array(headSlots + rowCount * savedSlots + symbolCount * carriedStride);
    values.set([
      rowCount,
      symbolCount,
      this.#closedGroups,
      this.#nextBoundaryMs,
      this.barCount,
      this.revisionCount,
      this.tradeCount,
      this.lateCount,
      this.closedThroughMs,
    ]);
    let at = headSlots;
    for (const group of this.#groups) {
      for (const row of group.rows) {
        for (let i = 0; i < savedSlots; i++) values[at + i] = this.#rows[row + i] as number;
        at += savedSlots;
      }
    }
    values.set(this.#carried.subarray(0, symbolCount * carriedStride), at);
    return values;
  }

  /** Into a table just made, whose symbols have been added. */
  restore(values: Float64Array): void {
    const head = (i: number) => values[i] as number;
    const rowCount = head(0);
    const symbolCount = head(1);
    for (let i = 0; i < rowCount; i++) {
      const at = headSlots + i * savedSlots;
      const startMs = values[at] as number;
      const symbol = values[at + slot.symbol] as number;
      const row = this.#makeRow(symbol, startMs, this.#newest[symbol] as number, -1, Number.NEGATIVE_INFINITY);
      this.#rows.set(values.subarray(at, at + savedSlots), row);
    }
    const carried = headSlots + rowCount * savedSlots;
    this.#carried.set(values.subarray(carried, carried + symbolCount * carriedStride));
    for (let symbol = 0; symbol < symbolCount; symbol++) {
      this.#carriesUntilMs = Math.max(this.#carriesUntilMs, this.#carried[symbol * carriedStride + carriedSlot.untilMs] as number);
    }
    this.#closedGroups = head(2);
    this.#nextBoundaryMs = head(3);
    this.barCount = head(4);
    this.revisionCount = head(5);
    this.tradeCount = head(6);
    this.lateCount = head(7);
    this.closedThroughMs = head(8);
    this.nextRemovalMs = this.#closedGroups > 0 ? this.#removalOf(this.#groups[0] as Group) : Number.POSITIVE_INFINITY;
    this.#setNextEnd();
  }
}

/**
 * A symbol without a trade for this long is carried no further, until its next one: or one trade dated decades ago would be followed by a
 * bar for every window since.
 */
const carryMaxMs = 86_400_000;

/** The last close (NaN: none yet); the window starts from and before which it was carried; of these, the latest stretch that was not. */
const carriedSlot = { close: 0, fromMs: 1, untilMs: 2, gapFromMs: 3, gapToMs: 4 } as const;
const carriedStride = 5;

function emptyCarried(symbolCount: number): Float64Array {
  const carried = new Float64Array(symbolCount * carriedStride).fill(Number.NEGATIVE_INFINITY);
  for (let at = carriedSlot.close; at < carried.length; at += carriedStride) carried[at] = Number.NaN;
  return carried;
}

const headSlots = 9;
/** The links are made anew. */
const savedSlots = slot.symbol + 1;
