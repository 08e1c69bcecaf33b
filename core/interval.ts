const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

export const intervalMinMs = 1_000;
export const intervalMaxMs = 86_400_000;

/**
 * The milliseconds of an interval such as '5m': a whole number of s, m, h or d, from one second to one day.
 * @throws RangeError on anything else
 */
export function parseInterval(text: string): number {
  const match = /^([1-9][0-9]{0,5})([smhd])$/.exec(text);
  const sizeMs = match === null ? Number.NaN : Number(match[1]) * unitMs(match[2] as string);
  if (!(sizeMs >= intervalMinMs && sizeMs <= intervalMaxMs)) {
    throw new RangeError(`an interval must be a whole number of s, m, h or d from 1s to 1d, such as "5m", received "${text}"`);
  }
  return sizeMs;
}

/** The shortest text of a length of time in its largest whole unit: '1m', '90s', '1500ms'. The inverse of `parseInterval` for all that it accepts. */
export function intervalText(sizeMs: number): string {
  for (const [unit, ms] of units) {
    if (sizeMs !== 0 && sizeMs % ms === 0) return `${sizeMs / ms}${unit}`;
  }
  return `${sizeMs}ms`;
}

function unitMs(unit: string): number {
  return units.find(([name]) => name === unit)?.[1] ?? Number.NaN;
}
