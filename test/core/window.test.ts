import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventTimeMaxMs } from '../../core/trade.ts';
import { floorToWindow, saturatingAdd } from '../../core/window.ts';

describe('a window', () => {
  it('holds its time, starts on the grid, and is the same wherever in it the time is', () => {
    const sizes = fc.integer({ min: 1, max: 86_400_000 });
    fc.assert(
      fc.property(
        fc.integer({ min: -eventTimeMaxMs, max: eventTimeMaxMs }),
        sizes,
        fc.double({ min: -1, max: 1, noNaN: true }),
        (eventTimeMs, windowSizeMs, share) => {
          const offsetMs = Math.trunc(share * (windowSizeMs - 1));
          const startMs = floorToWindow(eventTimeMs, windowSizeMs, offsetMs);
          expect(startMs <= eventTimeMs && eventTimeMs < startMs + windowSizeMs).toBe(true);
          expect(Number((BigInt(startMs) - BigInt(offsetMs)) % BigInt(windowSizeMs)) === 0).toBe(true);
          expect(floorToWindow(startMs, windowSizeMs, offsetMs)).toBe(startMs);
          expect(floorToWindow(startMs + windowSizeMs - 1, windowSizeMs, offsetMs)).toBe(startMs);
          expect(floorToWindow(startMs + windowSizeMs, windowSizeMs, offsetMs)).toBe(startMs + windowSizeMs);
          expect(floorToWindow(startMs - 1, windowSizeMs, offsetMs)).toBe(startMs - windowSizeMs);
        },
      ),
    );
  });

  it('starts at the epoch without an offset', () => {
    expect(floorToWindow(59_999, 60_000, 0)).toBe(0);
    expect(floorToWindow(-1, 60_000, 0)).toBe(-60_000);
  });
});

describe('a sum of times', () => {
  it('stays at the end of the number line', () => {
    expect(saturatingAdd(Number.MAX_SAFE_INTEGER - 5, 10)).toBe(Number.MAX_SAFE_INTEGER);
    expect(saturatingAdd(5, 10)).toBe(15);
  });
});
