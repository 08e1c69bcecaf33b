import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addTo, sumOf } from '../../core/sum.ts';

/** A positive decimal of at most 9 digits before and 4 behind the point: the sum of 90 has at most 15 digits, so that none is rounded away. */
const decimal = fc.record({ units: fc.integer({ min: 1, max: 999_999_999 }), places: fc.integer({ min: 0, max: 4 }) });

describe('a sum', () => {
  it('of positive decimals is the decimal sum to 15 digits, in any order', () => {
    fc.assert(
      fc.property(fc.array(decimal, { maxLength: 90 }), fc.infiniteStream(fc.nat()), (decimals, order) => {
        const exact = decimals.reduce((sum, { units, places }) => sum + BigInt(units) * 10n ** BigInt(4 - places), 0n);
        const expected = Number(`${exact}e-4`).toPrecision(15);
        const values = decimals.map(({ units, places }) => Number(`${units}e-${places}`));
        const shuffled = values.map((value) => [order.next().value as number, value] as const).sort((a, b) => a[0] - b[0]);
        expect(sumAll(values).toPrecision(15)).toBe(expected);
        expect(sumAll(shuffled.map(([, value]) => value))).toBe(sumAll(values));
      }),
    );
  });

  it.each([
    { values: [0.1, 0.2], sum: 0.3 },
    { values: Array.from({ length: 1_000_000 }, () => 0.1), sum: 100_000 },
    { values: [1e15, 0.5, 0.5], sum: 1e15 + 1 },
    { values: [1e-9, 123_456.7, 1e-9], sum: 123_456.700000002 },
    { values: [9_007_199_254_740_991], sum: 9_007_199_254_740_991 },
    { values: [], sum: 0 },
  ])('is $sum', ({ values, sum }) => {
    expect(sumAll(values)).toBe(sum);
  });

  it('keeps to its two slots', () => {
    const slots = Float64Array.of(7, 0, 0, 7);
    addTo(slots, 1, 0.1);
    addTo(slots, 1, 0.7);
    expect([slots[0], slots[3], sumOf(slots, 1)]).toEqual([7, 7, 0.8]);
  });
});

function sumAll(values: readonly number[]): number {
  const slots = new Float64Array(2);
  for (const value of values) addTo(slots, 0, value);
  return sumOf(slots, 0);
}
