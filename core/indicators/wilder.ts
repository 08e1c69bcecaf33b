/**
 * Wilder's average with one more value: the plain mean while `seen` counts up to the period, then the new value weighs 1 / period.
 * @param seen values with this one, at most the period
 * @see J. Welles Wilder, New Concepts in Technical Trading Systems, 1978
 */
export function wilderAverage(average: number, value: number, seen: number): number {
  return average + (value - average) / seen;
}
