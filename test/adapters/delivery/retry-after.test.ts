import { describe, expect, it } from 'vitest';
import { retryAfterMsOf, retryAfterMsOfSeconds } from '../../../adapters/delivery/retry-after.ts';

const nowMs = Date.parse('2026-01-05T12:00:00Z');

describe('what a receiver asks to wait', () => {
  it.each<[string | undefined, number | undefined]>([
    ['120', 120_000],
    [' 0 ', 0],
    ['1.25', 1_250],
    ['86400', 86_400_000],
    ['86401', 86_400_000],
    ['99999999999999999999999', 86_400_000],
    ['Mon, 05 Jan 2026 12:05:00 GMT', 300_000],
    ['Monday, 05-Jan-26 12:05:00 GMT', 300_000],
    ['Mon Jan  5 12:05:00 2026', 300_000],
    ['Mon, 05 Jan 2026 11:00:00 GMT', 0],
    ['Fri, 31 Dec 9999 23:59:59 GMT', 86_400_000],
    [undefined, undefined],
    ['', undefined],
    ['-5', undefined],
    ['soon', undefined],
    ['5 minutes', undefined],
    ['1e9', undefined],
    ['Infinity', undefined],
    ['2026-01-05T12:05:00Z', undefined],
    ['Mon, 99 Foo 2026 12:05:00 GMT', undefined],
  ])('%j is %j ms', (header, waitMs) => {
    expect(retryAfterMsOf(header, nowMs)).toBe(waitMs);
  });

  it.each<[unknown, number | undefined]>([
    [0.3, 300],
    [64.57, 64_570],
    [-1, 0],
    [1e300, 86_400_000],
    [Number.NaN, undefined],
    ['5', undefined],
    [undefined, undefined],
    [null, undefined],
  ])('in a body %j is %j ms', (seconds, waitMs) => {
    expect(retryAfterMsOfSeconds(seconds)).toBe(waitMs);
  });
});
