import { type EmaOptions, ema } from './ema.ts';
import { checkPeriod } from './period.ts';
import { publish, type Series } from './program.ts';

export type MacdOptions = EmaOptions & {
  /** @default 12 */
  readonly fast?: number;
  /** @default 26 */
  readonly slow?: number;
  /** @default 9 */
  readonly signal?: number;
};

/**
 * Moving average convergence divergence: the fast less the slow EMA, an EMA of that, and the difference of the two. Each average is seeded
 * with its own first values, as in LEAN (TA-Lib starts the fast one together with the slow one). `macd` begins at bar `slow`, `signal` and
 * `histogram` at bar `slow + signal - 1`.
 * Slots: 6 of its three averages.
 * @see Gerald Appel, Technical Analysis: Power Tools for Active Investors, 2005
 */
export function macd(source: Series, { fast = 12, slow = 26, signal = 9, seed = 'sma' }: MacdOptions = {}) {
  checkPeriod('macd', fast, { name: 'fast' });
  checkPeriod('macd', slow, { name: 'slow', least: fast + 1 });
  checkPeriod('macd', signal, { name: 'signal' });
  const difference = minus(`macd(${source.label},${fast},${slow})`, ema(source, fast, { seed }), ema(source, slow, { seed }));
  const average = ema(difference, signal, { seed });
  return { macd: difference, signal: average, histogram: minus(`${difference.label}.histogram`, difference, average) };
}

function minus(label: string, a: Series, b: Series): Series {
  const { program, intervalIndex } = a;
  const [fromA, fromB] = [a.slot, b.slot];
  const out = program.series(label, intervalIndex);
  const to = out.slot;
  program.step(intervalIndex, (slots, base) => {
    publish(slots, base + to, (slots[base + fromA] as number) - (slots[base + fromB] as number));
  });
  return out;
}
