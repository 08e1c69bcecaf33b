import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inParallel } from '../../adapters/in-parallel.ts';

describe('work in parallel', () => {
  it('answers in the order of the items, runs each once and never more than the limit together', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 9 }),
        async (turns, limit) => {
          let running = 0;
          let most = 0;
          const results = await inParallel([...turns.entries()], limit, async ([i, count]) => {
            most = Math.max(most, ++running);
            for (let k = 0; k < count; k++) await turn();
            running--;
            return i;
          });
          expect(results).toEqual(turns.map((_, i) => i));
          expect(most).toBe(Math.min(limit, turns.length));
        },
      ),
      { numRuns: 50 },
    );
  });

  it('begins nothing after a failure, and fails with it', async () => {
    const begun: number[] = [];
    const work = inParallel([0, 1, 2, 3, 4], 2, async (item) => {
      begun.push(item);
      await turn();
      if (item === 1) throw new Error('one failed');
      await turn();
    });
    await expect(work).rejects.toThrow('one failed');
    await turn();
    expect(begun).toEqual([0, 1]);
  });
});
