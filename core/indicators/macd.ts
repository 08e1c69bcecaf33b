import { type EmaOptions, emaSeedSlots, emaShapeOf, nextEma } from './ema.ts';
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
 * Slots: 8 (the fast and the slow average, three seeds).
 * @see Gerald Appel, Technical Analysis: Power Tools for Active Investors, 2005
 */
export function macd(source: Series, { fast = 12, slow = 26, signal = 9, seed = 'sma' }: MacdOptions = {}) {
  checkPeriod('macd', fast, { name: 'fast' });
  checkPeriod('macd', slow, { name: 'slow', least: fast + 1 });
  checkPeriod('macd', signal, { name: 'signal' });
  const { program, slot: from, intervalIndex } = source;
  const [fastShape, slowShape, signalShape] = [emaShapeOf(fast, seed), emaShapeOf(slow, seed), emaShapeOf(signal, seed)];
  const [fastSlot, slowSlot] = [program.slots(1, Number.NaN), program.slots(1, Number.NaN)];
  const [fastSeed, slowSeed, signalSeed] = [program.slots(emaSeedSlots), program.slots(emaSeedSlots), program.slots(emaSeedSlots)];
  const label = `macd(${source.label},${fast},${slow},${signal},${seed})`;
  const difference = program.series(label, intervalIndex);
  const average = program.series(`${label}.signal`, intervalIndex);
  const histogram = program.series(`${label}.histogram`, intervalIndex);
  const [toDifference, toAverage, toHistogram] = [difference.slot, average.slot, histogram.slot];
  program.step(intervalIndex, (slots, base) => {
    const value = slots[base + from] as number;
    const fastNow = nextEma(slots, base + fastSlot, base + fastSeed, value, fastShape);
    const slowNow = nextEma(slots, base + slowSlot, base + slowSeed, value, slowShape);
    const differenceNow = fastNow - slowNow;
    const averageNow = nextEma(slots, base + toAverage, base + signalSeed, differenceNow, signalShape);
    slots[base + fastSlot] = fastNow;
    slots[base + slowSlot] = slowNow;
    publish(slots, base + toDifference, differenceNow);
    publish(slots, base + toAverage, averageNow);
    publish(slots, base + toHistogram, differenceNow - averageNow);
  });
  return { macd: difference, signal: average, histogram };
}
