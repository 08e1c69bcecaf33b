/**
 * Sums as two float64 slots: the sum, and what rounding has taken from it (Knuth's TwoSum, exact for any order of magnitude).
 * A sum of positive decimals is off by at most 2^-53 of itself before the last rounding, so that 15 significant digits give the
 * decimal sum itself: 0.1 + 0.2 is 0.3.
 */
export function addTo(slots: Float64Array, at: number, value: number): void {
  const sum = slots[at] as number;
  const next = sum + value;
  const rounded = next - sum;
  slots[at] = next;
  slots[at + 1] = (slots[at + 1] as number) + (sum - (next - rounded) + (value - rounded));
}

/** The sum in slots `at` and `at + 1`, exact to 15 significant digits. */
export function sumOf(slots: Float64Array, at: number): number {
  const sum = slots[at] as number;
  const remainder = slots[at + 1] as number;
  if (remainder === 0 && Number.isSafeInteger(sum)) return sum;
  return Number((sum + remainder).toPrecision(15));
}
