import type { Calendar } from '../calendar.ts';
import type { ClosedBar } from './closed-bar.ts';

/**
 * What one strategy does with the bars of one symbol: steps in order, and the slots that they remember things in. The program is the same
 * for all symbols; `base` says where the slots of the present one begin. An indicator is a function that adds its steps to a program and
 * returns the series that they write:
 *
 *     slots   … | close now, previous | ema: count, mean | ema now, previous | …
 *     steps       close ──────────────▶ ema ─────────────▶
 */
export class Program {
  readonly calendar: Calendar;
  /** Steps by interval. */
  readonly steps: readonly Step[][];
  /** Slots that hold NaN until everything has seen enough bars. */
  readonly awaited: number[] = [];
  /** Series of intervals other than the first, whose value at the last decision is kept. */
  readonly remembered: Series[] = [];
  /** What the slots mean, in the order they were given out. */
  readonly labels: string[] = [];
  readonly #layout: SlotLayout;
  readonly #cursor: Cursor;
  #isSealed = false;

  constructor({
    layout,
    cursor,
    calendar,
    intervalCount,
  }: { layout: SlotLayout; cursor: Cursor; calendar: Calendar; intervalCount: number }) {
    this.#layout = layout;
    this.#cursor = cursor;
    this.calendar = calendar;
    this.steps = Array.from({ length: intervalCount }, () => []);
  }

  /** Slots of the indicator's own; returns the first. @param initial what each holds for a symbol not seen before */
  slots(count: number, initial = 0): number {
    this.assertOpen();
    return this.#layout.allocate(count, initial);
  }

  /** A series of values that a step writes with `publish`. NaN until it does. */
  series(label: string, intervalIndex: number): Series {
    this.assertOpen();
    const slot = this.#layout.allocate(slotsPerSeries(intervalIndex), Number.NaN);
    const series = this.seriesAt(slot, label, intervalIndex);
    this.labels.push(label);
    this.awaited.push(slot);
    if (intervalIndex > 0) this.remembered.push(series);
    return series;
  }

  /** A series whose slots somebody else writes. */
  seriesAt(slot: number, label: string, intervalIndex: number): Series {
    return new Series(this, this.#cursor, slot, label, intervalIndex);
  }

  /** Steps run once for each closed bar of their interval, in the order they were added. */
  step(intervalIndex: number, step: Step): void {
    this.steps[intervalIndex]?.push(step);
  }

  /** From here on nothing can be added: the layout of the slots is known. */
  seal(): void {
    this.#isSealed = true;
  }

  /** @throws Error once the program is sealed. */
  assertOpen(): void {
    if (this.#isSealed) throw new Error('indicators are made while the strategy is built: move them out of the function that decides');
  }
}

export type Step = (slots: Float64Array, base: number, bar: ClosedBar) => void;

/** The symbol whose slots are read while a strategy decides. Holds nothing between two bars. */
export type Cursor = { slots: Float64Array; base: number };

/** A value that changes from bar to bar, with the one before it. The values themselves are in the slots of the present symbol. */
export class Series {
  readonly program: Program;
  readonly slot: number;
  readonly label: string;
  readonly intervalIndex: number;
  /** Where the value is that the last decision saw: for the first interval that is the previous one. */
  readonly slotAtLastDecision: number;
  readonly #cursor: Cursor;

  constructor(program: Program, cursor: Cursor, slot: number, label: string, intervalIndex: number) {
    this.program = program;
    this.#cursor = cursor;
    this.slot = slot;
    this.label = label;
    this.intervalIndex = intervalIndex;
    this.slotAtLastDecision = slot + slotsPerSeries(intervalIndex) - 1;
  }

  /** NaN until there were enough bars. */
  get now(): number {
    return this.#cursor.slots[this.#cursor.base + this.slot] as number;
  }

  /** The value one bar of this series' own interval earlier. NaN until there were enough bars. */
  get previous(): number {
    return this.#cursor.slots[this.#cursor.base + this.slot + 1] as number;
  }

  /** The value that the last decision saw: a higher interval's value stays the same over many decisions. */
  get atLastDecision(): number {
    return this.#cursor.slots[this.#cursor.base + this.slotAtLastDecision] as number;
  }
}

/** Now, previous, and above the first interval the value at the last decision. */
export function slotsPerSeries(intervalIndex: number): number {
  return intervalIndex === 0 ? 2 : 3;
}

/** @param at base plus the slot of the series */
export function publish(slots: Float64Array, at: number, value: number): void {
  slots[at + 1] = slots[at] as number;
  slots[at] = value;
}

/** Gives out the slots of one symbol, and knows what they hold at first. */
export class SlotLayout {
  readonly #initial: number[] = [];

  get slotCount(): number {
    return this.#initial.length;
  }

  allocate(count: number, initial: number): number {
    const first = this.#initial.length;
    for (let i = 0; i < count; i++) this.#initial.push(initial);
    return first;
  }

  initialValues(): Float64Array {
    return Float64Array.from(this.#initial);
  }
}
