import { vwapOf } from '../bar.ts';
import type { ClosedBar } from './closed-bar.ts';
import { type Program, publish, type Series, type SlotLayout, slotsPerSeries } from './program.ts';

const fields = ['open', 'high', 'low', 'close', 'volume', 'vwap'] as const;

/** The bars of one interval as a strategy sees them. The slots are shared by all strategies of a symbol. */
export class BarSource {
  readonly program: Program;
  readonly intervalIndex: number;
  readonly label: string;
  readonly open: Series;
  readonly high: Series;
  readonly low: Series;
  readonly close: Series;
  readonly volume: Series;
  /** Sum of price × size over volume; the close where nothing was traded. */
  readonly vwap: Series;

  constructor(program: Program, row: BarRow, label: string) {
    const series = (field: (typeof fields)[number]) =>
      program.seriesAt(row.firstSlot + fields.indexOf(field) * slotsPerSeries(row.intervalIndex), `${label}.${field}`, row.intervalIndex);
    this.program = program;
    this.intervalIndex = row.intervalIndex;
    this.label = label;
    this.open = series('open');
    this.high = series('high');
    this.low = series('low');
    this.close = series('close');
    this.volume = series('volume');
    this.vwap = series('vwap');
    program.labels.push(label);
    program.awaited.push(this.close.slot);
  }
}

/** Where the fields of one interval's bars are kept. */
export class BarRow {
  readonly intervalIndex: number;
  readonly firstSlot: number;
  readonly #slotsPerSeries: number;

  constructor(layout: SlotLayout, intervalIndex: number) {
    this.intervalIndex = intervalIndex;
    this.#slotsPerSeries = slotsPerSeries(intervalIndex);
    this.firstSlot = layout.allocate(fields.length * this.#slotsPerSeries, Number.NaN);
  }

  write(slots: Float64Array, base: number, bar: ClosedBar): void {
    const step = this.#slotsPerSeries;
    const at = base + this.firstSlot;
    publish(slots, at, bar.open);
    publish(slots, at + step, bar.high);
    publish(slots, at + 2 * step, bar.low);
    publish(slots, at + 3 * step, bar.close);
    publish(slots, at + 4 * step, bar.volume);
    publish(slots, at + 5 * step, vwapOf(bar.notional, bar.volume, bar.close));
  }

  /** After a decision: what it saw is what the next crossing is measured against. */
  rememberDecision(slots: Float64Array, base: number): void {
    const end = base + this.firstSlot + fields.length * 3;
    for (let at = base + this.firstSlot; at < end; at += 3) slots[at + 2] = slots[at] as number;
  }
}
