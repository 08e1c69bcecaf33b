import { calendarOf } from '../../core/calendar.ts';
import { BarRow, BarSource } from '../../core/indicators/bar-source.ts';
import type { ClosedBar } from '../../core/indicators/closed-bar.ts';
import { Program, type Series, SlotLayout } from '../../core/indicators/program.ts';

/** An indicator over one symbol or several, with its slots in the open. */
export class IndicatorHarness {
  readonly #program: Program;
  readonly #row: BarRow;
  readonly #outputs: readonly Series[];
  readonly #slotCount: number;
  slots: Float64Array;

  constructor(make: (bar: BarSource) => Series | Record<string, Series>, symbolCount = 1) {
    const layout = new SlotLayout();
    const cursor = { slots: new Float64Array(0), base: 0 };
    this.#program = new Program({ layout, cursor, calendar: calendarOf('always'), intervalCount: 1 });
    this.#row = new BarRow(layout, 0);
    const made = make(new BarSource(this.#program, this.#row, 'bar'));
    this.#outputs = 'program' in made ? [made as Series] : Object.values(made);
    this.#slotCount = layout.slotCount;
    this.slots = new Float64Array(symbolCount * layout.slotCount);
    for (let symbol = 0; symbol < symbolCount; symbol++) this.slots.set(layout.initialValues(), symbol * layout.slotCount);
  }

  /** Takes one bar and returns the present values, in the order the indicator names them. */
  push(bar: ClosedBar, symbol = 0): number[] {
    const base = symbol * this.#slotCount;
    this.#row.write(this.slots, base, bar);
    for (const step of this.#program.steps[0] ?? []) step(this.slots, base, bar);
    return this.#outputs.map(({ slot }) => this.slots[base + slot] as number);
  }

  previous(symbol = 0): number[] {
    return this.#outputs.map(({ slot }) => this.slots[symbol * this.#slotCount + slot + 1] as number);
  }

  run(bars: readonly ClosedBar[]): number[][] {
    return bars.map((bar) => this.push(bar));
  }
}

const minuteMs = 60_000;

/** A bar a minute, with the close alone or with all four prices. */
export function barsOf(
  prices: readonly (number | { open: number; high: number; low: number; close: number; volume?: number })[],
): ClosedBar[] {
  return prices.map((price, i) => {
    const candle = typeof price === 'number' ? { open: price, high: price, low: price, close: price } : price;
    const volume = ('volume' in candle ? candle.volume : undefined) ?? 10;
    return {
      symbol: 'IBM',
      windowStartMs: i * minuteMs,
      windowEndMs: (i + 1) * minuteMs,
      open: candle.open,
      high: candle.high,
      low: candle.low,
      close: candle.close,
      volume,
      notional: ((candle.high + candle.low + candle.close) / 3) * volume,
      tradeCount: 1,
    };
  });
}
