import { beforeAll, describe, expect, it } from 'vitest';
import { addTrade } from '../../adapters/feeds/trade-fields.ts';
import type { Bar } from '../../core/bar.ts';
import { BucketState, emptyOutcome } from '../../core/bucket-state.ts';
import { advance } from '../../core/consume.ts';
import { Framer } from '../../core/framer.ts';
import { TradeBatch } from '../../core/trade.ts';
import { pipelineWith } from '../core/support/pipelines.ts';
import { isLeanDataHere, midnightMs, type Prices, readLeanBars, readLeanTrades } from './support/lean-data.ts';

const arrivalTimeMs = midnightMs + 86_400_000;

describe.skipIf(!isLeanDataHere)(`LEAN’s day of IBM${isLeanDataHere ? '' : ' (skipped: ../shared/data/lean is not there)'}`, () => {
  let leanSeconds: Map<number, Prices>;
  let leanMinutes: Map<number, Prices>;
  let seconds: Map<number, Prices>;
  let minutes: Map<number, Prices>;

  beforeAll(() => {
    leanSeconds = readLeanBars('second');
    leanMinutes = readLeanBars('minute');
    const bars = fold();
    seconds = pricesOf(bars, 1_000);
    minutes = pricesOf(bars, 60_000);
  });

  it('gives LEAN’s open, high, low and close in at least 99.9 % of its seconds, and no second that LEAN has not', () => {
    const share = shareEqual(leanSeconds, seconds);
    console.log(`seconds equal to LEAN's: ${percent(share)} of ${leanSeconds.size}`);
    expect(share).toBeGreaterThanOrEqual(0.999);
    expect([...seconds.keys()].filter((startMs) => !leanSeconds.has(startMs)).length).toBeLessThanOrEqual(leanSeconds.size * 0.001);
  });

  it('gives LEAN’s minutes as far as LEAN’s own seconds do', () => {
    const own = foldedToMinutes(leanSeconds);
    const ours = foldedToMinutes(seconds);
    const [ownShare, ourShare] = [shareEqual(leanMinutes, own), shareEqual(leanMinutes, ours)];
    console.log(`minutes equal to LEAN's: ${percent(ourShare)} of ${leanMinutes.size}; LEAN's own seconds give ${percent(ownShare)}`);
    expect(ourShare).toBeGreaterThanOrEqual(ownShare - 0.005);
    const bothMiss = [...leanMinutes].filter(
      ([startMs, prices]) => !isEqual(own.get(startMs), prices) && !isEqual(ours.get(startMs), prices),
    ).length;
    console.log(`minutes that neither gives: ${bothMiss}`);
  });

  it('folds its seconds to its own minutes', () => {
    expect(foldedToMinutes(seconds)).toEqual(minutes);
  });
});

function fold(): Bar[] {
  const state = new BucketState(
    pipelineWith({ windowSizesMs: [1_000, 60_000], conditions: 'sip', outOfOrdernessMs: 2_000, allowedLatenessMs: 60_000 }),
    0,
  );
  const outcome = emptyOutcome();
  let sequence = 0;
  const framer = new Framer({
    bucketCount: 1,
    producerId: 'lean',
    aheadMaxMs: 0,
    outOfOrdernessMs: 0,
    emit: (frame) => advance(state, [{ sequenceNumber: String(++sequence), arrivalTimeMs, frames: [frame], rejected: [] }], outcome),
  });
  const batch = new TradeBatch();
  for (const trade of readLeanTrades()) addTrade(batch, trade);
  framer.add(batch, arrivalTimeMs);
  framer.end();
  expect([outcome.late, outcome.quarantined]).toEqual([[], []]);
  return [...outcome.bars];
}

/** The last revision of each bar with prices, × 10,000. */
function pricesOf(bars: readonly Bar[], windowSizeMs: number): Map<number, Prices> {
  const table = new Map<number, Prices>();
  for (const { windowStartMs, windowEndMs, open, high, low, close } of bars) {
    if (windowEndMs - windowStartMs !== windowSizeMs || open === null || high === null || low === null || close === null) continue;
    table.set(windowStartMs, { open: units(open), high: units(high), low: units(low), close: units(close) });
  }
  return table;
}

function foldedToMinutes(bars: ReadonlyMap<number, Prices>): Map<number, Prices> {
  const table = new Map<number, Prices>();
  for (const [startMs, bar] of [...bars].toSorted(([a], [b]) => a - b)) {
    const minuteMs = Math.floor(startMs / 60_000) * 60_000;
    const before = table.get(minuteMs) ?? bar;
    table.set(minuteMs, { open: before.open, high: Math.max(before.high, bar.high), low: Math.min(before.low, bar.low), close: bar.close });
  }
  return table;
}

function shareEqual(expected: ReadonlyMap<number, Prices>, actual: ReadonlyMap<number, Prices>): number {
  return [...expected].filter(([startMs, prices]) => isEqual(actual.get(startMs), prices)).length / expected.size;
}

function isEqual(a: Prices | undefined, b: Prices): boolean {
  return a !== undefined && a.open === b.open && a.high === b.high && a.low === b.low && a.close === b.close;
}

function units(price: number): number {
  return Math.round(price * 10_000);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
