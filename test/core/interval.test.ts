import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { intervalMaxMs, intervalMinMs, intervalText, parseInterval } from '../../core/interval.ts';

describe('an interval', () => {
  it('keeps its length through text', () => {
    fc.assert(
      fc.property(fc.integer({ min: intervalMinMs / 1000, max: intervalMaxMs / 1000 }), (seconds) => {
        expect(parseInterval(intervalText(seconds * 1000))).toBe(seconds * 1000);
      }),
    );
  });

  it.each([
    ['1s', 1_000],
    ['5s', 5_000],
    ['1m', 60_000],
    ['90s', 90_000],
    ['5m', 300_000],
    ['60m', 3_600_000],
    ['1h', 3_600_000],
    ['24h', 86_400_000],
    ['1d', 86_400_000],
  ])('%s is %i ms', (text, ms) => {
    expect(parseInterval(text)).toBe(ms);
  });

  it.each([
    [60_000, '1m'],
    [90_000, '90s'],
    [1_500, '1500ms'],
    [86_400_000, '1d'],
    [604_800_000, '7d'],
    [0, '0ms'],
  ])('%i ms is written %s', (ms, text) => {
    expect(intervalText(ms)).toBe(text);
  });

  it.each(['', '5', 'm', '5x', '0m', '05m', '-5m', '1.5m', '5 m', '5M', '2d', '86401s', '500ms', '1e3s', '999999999d'])(
    'refuses "%s" and says what it received',
    (text) => {
      expect(() => parseInterval(text)).toThrow(`received "${text}"`);
    },
  );
});
