import type { EpochMs } from './trade.ts';

/**
 * The start of the window [start, start + size) that holds a time.
 *
 *     start                end = start + size
 *       |----- window ------|----- next ------|
 *       ^ holds its start   ^ belongs to the next
 *
 * Floor division, so it is right before 1970 and below the offset.
 */
export function floorToWindow(eventTimeMs: EpochMs, windowSizeMs: number, offsetMs: number): EpochMs {
  const remainder = (eventTimeMs - offsetMs) % windowSizeMs;
  return eventTimeMs - (remainder < 0 ? remainder + windowSizeMs : remainder);
}

/** @throws RangeError for a size that is not a positive whole number, or an offset that is not below it. */
export function checkWindow({ windowSizeMs, offsetMs }: { windowSizeMs: number; offsetMs: number }): void {
  if (!Number.isSafeInteger(windowSizeMs) || windowSizeMs <= 0) {
    throw new RangeError(`window size must be a positive whole number of ms, received "${windowSizeMs}"`);
  }
  if (!Number.isSafeInteger(offsetMs) || Math.abs(offsetMs) >= windowSizeMs) {
    throw new RangeError(`window offset must be a whole number of ms smaller than the window size ${windowSizeMs}, received "${offsetMs}"`);
  }
}

/** Adds times near the end of the number line without passing it: state must not be purged by an overflow. */
export function saturatingAdd(timeMs: EpochMs, durationMs: number): EpochMs {
  return Math.min(timeMs + durationMs, Number.MAX_SAFE_INTEGER);
}
