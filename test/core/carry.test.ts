import { expect, it } from 'vitest';
import type { Trade } from '../../core/trade.ts';
import { foldWhole } from './support/facts.ts';
import { tapeOf } from './support/market.ts';
import { pipelineWith } from './support/pipelines.ts';
import { type ReferenceBar, referenceFold } from './support/reference.ts';

const minuteMs = 60_000;
const dayMs = 86_400_000;
const startMs = Date.parse('2024-01-02T14:30:00Z');
const trade = (symbol: string, eventTimeMs: number): Trade => ({ symbol, eventTimeMs, price: 10, size: 1 });

/** Trades with more than a day between them, and one that comes late for a carried window before the gap and one for a window after it. */
const withGap = [
  trade('A', startMs),
  trade('B', startMs + minuteMs),
  trade('A', startMs + 2.5 * dayMs),
  trade('A', startMs + 2.5 * dayMs + 5 * minuteMs),
  trade('A', startMs + 2.5 * dayMs + 2 * minuteMs),
  trade('B', startMs + 2.5 * dayMs + 6 * minuteMs),
  trade('A', startMs + 0.5 * dayMs),
  trade('A', startMs + 1.5 * dayMs),
];

const options = { emptyWindows: 'carry', windowSizesMs: [minuteMs], outOfOrdernessMs: 0 } as const;

const lineOf = ({ symbol, windowStartMs, rev, close }: ReferenceBar) => `${symbol} ${windowStartMs} ${rev} ${close}`;

it.each([{ allowedLatenessMs: 0 }, { allowedLatenessMs: 3 * dayMs }])(
  'carries a symbol for a day after its last trade, and again from its next one (allowed lateness $allowedLatenessMs ms)',
  ({ allowedLatenessMs }) => {
    for (const bucketCount of [1, 4]) {
      const pipeline = pipelineWith({ ...options, allowedLatenessMs, bucketCount });
      const { bars } = foldWhole(pipeline, tapeOf(withGap, { bucketCount }));
      const found = bars.map((line) => JSON.parse(line) as ReferenceBar);
      const expected = referenceFold(withGap, { ...pipeline, calendar: 'always', strategies: [] }, Number.POSITIVE_INFINITY);
      expect(found.map(lineOf).sort()).toEqual(expected.bars.map(lineOf).sort());
    }
  },
);

it('is not led by one trade in seconds for milliseconds to give out a bar for every window since 1970', () => {
  const trades = [trade('A', startMs / 1000), trade('A', startMs), trade('B', startMs + minuteMs)];
  const { bars } = foldWhole(pipelineWith({ ...options, bucketCount: 1 }), tapeOf(trades, { bucketCount: 1 }));
  // The old bar and its day, the two bars of A up to the end, the bar of B.
  expect(bars.length).toBe(1 + dayMs / minuteMs + 3);
});
