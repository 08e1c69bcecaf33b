import fc from 'fast-check';
import { type Bar, BarBatch, type LateTrade } from '../../../core/bar.ts';
import type { Quarantined } from '../../../core/reasons.ts';
import type { Signal } from '../../../core/signal.ts';

export type BarRow = { symbol: string; windowStartMs: number; sizeMs: number; rev: number };

/** Few symbols and windows, so that repeats and revisions are common. */
export const barRow: fc.Arbitrary<BarRow> = fc.record({
  symbol: fc.oneof(
    fc.constantFrom('A', 'B', 'a', 'Ä', '', '\u0000', 'A\u0000', 'A\u0000B', "'", '"', '\uffff', '\u{10000}', 'BRK.B', '7203.T', '株'),
    fc.string({ unit: 'binary', maxLength: 20 }),
  ),
  windowStartMs: fc.constantFrom(-8_640_000_000_000_000, -60_000, 0, 60_000, 1_700_000_040_000, 8_639_999_999_940_000),
  sizeMs: fc.constantFrom(60_000, 300_000),
  rev: fc.integer({ min: 0, max: 3 }),
});

/** The content follows from key and revision, as it does in the pipeline: a repeat is a repeat of everything. */
export function batchOf(rows: readonly BarRow[]): BarBatch {
  const bars = new BarBatch();
  for (const { symbol, windowStartMs, sizeMs, rev } of rows) {
    const seed = symbol.length + (windowStartMs % 7) + sizeMs / 60_000 + rev;
    const price = rev === 3 ? Number.NaN : Math.abs(seed) / 3 + 0.1;
    const volume = seed % 5 === 0 ? 0 : Math.abs(seed) / 7;
    bars.add(
      symbol,
      windowStartMs,
      windowStartMs + sizeMs,
      price,
      price * 1.1,
      price / 1.1,
      price + 1e-9,
      volume,
      volume * 1.7,
      Math.abs(seed) % 100,
      rev,
    );
  }
  return bars;
}

export function standing(rows: readonly BarRow[]): Bar[] {
  const byKey = new Map<string, Bar>();
  for (const bar of batchOf(rows)) {
    const key = `${bar.windowStartMs}/${bar.windowEndMs}/${bar.symbol}`;
    if (bar.rev >= (byKey.get(key)?.rev ?? 0)) byKey.set(key, bar);
  }
  return [...byKey.values()].toSorted(
    (a, b) => byCodePoint(a.symbol, b.symbol) || a.windowStartMs - b.windowStartMs || a.windowEndMs - b.windowEndMs,
  );
}

function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

export const signals: readonly Signal[] = [
  { symbol: 'A', windowStartMs: 0, strategy: 'ema-cross', reasons: ['fast crossed above slow'] },
  { symbol: 'A', windowStartMs: 60_000, strategy: 'ema-cross', reasons: [] },
  { symbol: 'A', windowStartMs: 60_000, strategy: 'rsi', reasons: ['a', '', 'Ä "quoted", \u0000'] },
  { symbol: '\uffff', windowStartMs: 0, strategy: 'rsi', reasons: ['x'] },
  { symbol: '\u{10000}', windowStartMs: -60_000, strategy: 'rsi', reasons: ['y', 'y'] },
].map(({ symbol, windowStartMs, strategy, reasons }, index) => ({
  signalId: `signal-${9 - index}`,
  symbol,
  strategy,
  side: index % 2 === 0 ? 'buy' : 'sell',
  intent: index % 3 === 0 ? 'enter' : 'exit',
  windowStartMs,
  windowEndMs: windowStartMs + 60_000,
  price: 0.1 + index,
  confidence: 0.7,
  reasons,
}));

export const late: readonly LateTrade[] = [60_000, 300_000].map((sizeMs) => ({
  symbol: 'Ä\u0000',
  eventTimeMs: 1_001,
  price: 0.30000000000000004,
  size: 5e-8,
  windowStartMs: 0,
  windowEndMs: sizeMs,
  reason: 'beyond-allowed-lateness',
  lateByMs: 1_260_000,
  position: 'shard-0:17:3',
}));

export const quarantined: readonly Quarantined[] = [
  { position: 'a:1', reason: 'not-json', sample: '{"symbol":\u0000\u001b[31m\ufffd' },
  { position: 'a:1', reason: 'price-missing', sample: '' },
  { position: 'a:2', reason: 'not-json', sample: "'; DROP TABLE bars; --" },
];
