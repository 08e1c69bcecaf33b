import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CombinedWatermark } from '../../core/watermark.ts';

type Change = { readonly channel: number; readonly to: number | 'idle' | 'active' };

const changes = fc.array(
  fc.record({ channel: fc.nat(3), to: fc.oneof(fc.nat(50), fc.constantFrom('idle', 'active') as fc.Arbitrary<'idle' | 'active'>) }),
  { maxLength: 60 },
);

describe('the watermark of several channels', () => {
  it('never falls, is said only when all active channels have reported, and is never ahead of a channel that was not idle', () => {
    fc.assert(
      fc.property(changes, (all) => {
        const combined = new CombinedWatermark(4);
        const greatest = [0, 1, 2, 3].map(() => Number.NEGATIVE_INFINITY);
        const wasIdle = new Set<number>();
        for (const change of all) {
          const before = combined.watermarkMs;
          apply(combined, change);
          if (change.to === 'idle') wasIdle.add(change.channel);
          else if (typeof change.to === 'number') greatest[change.channel] = Math.max(greatest[change.channel] as number, change.to);
          expect(combined.watermarkMs).toBeGreaterThanOrEqual(before);
          for (const [channel, watermarkMs] of greatest.entries()) {
            if (!wasIdle.has(channel)) expect(combined.watermarkMs).toBeLessThanOrEqual(watermarkMs);
          }
        }
      }),
    );
  });

  it('goes on the same when it was restored', () => {
    fc.assert(
      fc.property(changes, changes, (before, after) => {
        const plain = new CombinedWatermark(4);
        for (const change of before) apply(plain, change);
        const restored = CombinedWatermark.restore(plain.snapshot());
        for (const change of after) {
          apply(plain, change);
          apply(restored, change);
          expect([restored.watermarkMs, restored.isIdle]).toEqual([plain.watermarkMs, plain.isIdle]);
        }
        expect(restored.snapshot()).toEqual(plain.snapshot());
      }),
    );
  });
});

function apply(combined: CombinedWatermark, { channel, to }: Change): void {
  if (typeof to === 'number') combined.advance(channel, to);
  else combined.setIdle(channel, to === 'idle');
}
