const unitsMs = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;

/** '5m' is 300000. @returns undefined for text that is no whole number of ms, s, m, h or d */
export function timeframeMsOf(text: string): number | undefined {
  const [, count, unit] = /^([1-9]\d{0,8})(ms|s|m|h|d)$/.exec(text) ?? [];
  if (count === undefined || unit === undefined) return undefined;
  return Number(count) * unitsMs[unit as keyof typeof unitsMs];
}

/** 300000 is '5m': the largest unit that divides it. */
export function timeframeOf(windowSizeMs: number): string {
  for (const [unit, unitMs] of Object.entries(unitsMs)) {
    if (windowSizeMs % unitMs === 0) return `${windowSizeMs / unitMs}${unit}`;
  }
  return `${windowSizeMs}ms`;
}
