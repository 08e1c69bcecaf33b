import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { foldWhole } from '../core/support/facts.ts';
import { markets, policies, tapeOf, withGarbage } from '../core/support/market.ts';
import { pipelineWith } from '../core/support/pipelines.ts';
import { plans, World } from './world.ts';

const bucketCounts = fc.constantFrom(1, 4);
const garbagePlaces = fc.array(fc.nat(80), { maxLength: 4 });

describe('the consumer', () => {
  it('gives what one fold over the log gives, however it is cut, repeated, moved, restarted, and whatever fails on the way', async () => {
    let failures = 0;
    await fc.assert(
      fc.asyncProperty(markets, policies, bucketCounts, garbagePlaces, plans, async (trades, policy, bucketCount, places, plan) => {
        const pipeline = pipelineWith({ ...policy, bucketCount });
        const records = withGarbage(tapeOf(trades, { bucketCount, entriesMax: 5 }), places, bucketCount);
        const world = new World(pipeline);
        await world.deliver(records, plan);
        failures += world.failures;
        const { bars, signals, late, quarantined, counts } = foldWhole(pipeline, records);
        expect(await world.facts()).toEqual({ bars, signals, late, quarantined, counts });
      }),
      { numRuns: 150 },
    );
    expect(failures).toBeGreaterThan(50);
  });
});
