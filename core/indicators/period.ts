/** The longest window an indicator may look back over; its values travel in every checkpoint. */
const periodMax = 10_000;

/** @throws RangeError for a period that no indicator can have. */
export function checkPeriod(
  indicator: string,
  period: number,
  { name = 'period', least = 1 }: { name?: string; least?: number } = {},
): void {
  if (!Number.isInteger(period) || period < least || period > periodMax) {
    throw new RangeError(`${indicator}: ${name} must be a whole number of bars from ${least} to ${periodMax}, received "${period}"`);
  }
}

/** @throws RangeError for a multiple that is not a positive number. */
export function checkMultiple(indicator: string, multiple: number): void {
  if (!(multiple > 0 && multiple < Number.POSITIVE_INFINITY)) {
    throw new RangeError(`${indicator}: deviations must be a positive number, received "${multiple}"`);
  }
}
