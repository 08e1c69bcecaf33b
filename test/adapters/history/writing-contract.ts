import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { History } from '../../../adapters/history/history.ts';
import { type Bar, BarBatch, type LateTrade } from '../../../core/bar.ts';
import type { Quarantined } from '../../../core/reasons.ts';
import type { Signal } from '../../../core/signal.ts';
import { barRow, batchOf, late, quarantined, signals, standing } from './samples.ts';

/** A history that is written to, and what it keeps, in any order, read by whatever way there is. */
export type Keeping = {
  readonly writer: Pick<History, 'writeBars' | 'writeSignals' | 'writeLate'>;
  readonly kept: { bars(): Promise<Bar[]>; signals(): Promise<Signal[]>; late(): Promise<LateTrade[]> };
};

/** What every history keeps of what it is given, whether or not it can be asked itself. `keep` begins with an empty one. */
export function writingContract(name: string, keep: (use: (keeping: Keeping) => Promise<void>) => Promise<void>): void {
  describe(`${name}, as it is written to`, () => {
    it('keeps the bars bit for bit, however the writes are cut, repeated and revised', async () => {
      const batches = fc.array(fc.array(anyBarRow, { maxLength: 20 }), { maxLength: 6 });
      await fc.assert(
        fc.asyncProperty(batches, fc.boolean(), async (batches, isRepeated) => {
          await keep(async ({ writer, kept }) => {
            for (const rows of isRepeated ? [...batches, ...batches.toReversed()] : batches) await writer.writeBars(batchOf(rows));
            expect(sorted(await kept.bars())).toEqual(sorted(standing(batches.flat())));
          });
        }),
        { numRuns: 15 },
      );
    });

    it('keeps each signal once, and a late trade once for each window that it missed', async () => {
      await keep(async ({ writer, kept }) => {
        for (let repeat = 0; repeat < 2; repeat++) {
          await writer.writeSignals(signals.toReversed());
          await writer.writeSignals(signals.slice(1));
          await writer.writeLate(late);
        }
        expect(sorted(await kept.signals())).toEqual(sorted(signals));
        expect(sorted(await kept.late())).toEqual(sorted(late));
      });
    });

    it('takes writes that are asked for together, and nothing at all', async () => {
      const rows = fc.sample(anyBarRow, { numRuns: 200, seed: 2 });
      await keep(async ({ writer, kept }) => {
        await Promise.all([
          ...rows.map((row) => writer.writeBars(batchOf([row]))),
          writer.writeBars(new BarBatch()),
          writer.writeSignals([]),
          writer.writeLate([]),
        ]);
        expect(sorted(await kept.bars())).toEqual(sorted(standing(rows)));
      });
    });
  });
}

/** The same of quarantined input, for histories that take it. */
export function quarantineContract(
  name: string,
  keep: (use: (writer: Pick<History, 'writeQuarantined'>, kept: () => Promise<readonly Quarantined[]>) => Promise<void>) => Promise<void>,
): void {
  it(`${name} keeps quarantined input once, whatever text it holds, and all that is wrong at one place`, async () => {
    await keep(async (writer, kept) => {
      expect(await kept()).toEqual([]);
      await writer.writeQuarantined(quarantined);
      await writer.writeQuarantined([]);
      await writer.writeQuarantined(quarantined.slice(1));
      expect(sorted(await kept())).toEqual(sorted(quarantined));
    });
  });
}

/** No trade is without a symbol, and not every history takes the empty text. */
const anyBarRow = barRow.filter(({ symbol }) => symbol !== '');

function sorted(rows: readonly object[]): string[] {
  return rows.map((row) => JSON.stringify(row)).sort();
}
