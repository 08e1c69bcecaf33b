import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Silence, silenceEndMs } from '../../core/silence.ts';

const minuteMs = 60_000;
const dayMs = 1_440 * minuteMs;
const newYork = 'America/New_York';

describe('silence', () => {
  it.each<[string, Silence[], string, string | undefined]>([
    ['in the day', [{ from: '12:00', to: '13:00' }], '2026-01-05T12:00Z', '2026-01-05T13:00Z'],
    ['just before', [{ from: '12:00', to: '13:00' }], '2026-01-05T11:59Z', undefined],
    ['just at its end', [{ from: '12:00', to: '13:00' }], '2026-01-05T13:00Z', undefined],
    ['before midnight', [{ from: '22:00', to: '07:00' }], '2026-01-05T23:30Z', '2026-01-06T07:00Z'],
    ['after midnight', [{ from: '22:00', to: '07:00' }], '2026-01-06T03:00Z', '2026-01-06T07:00Z'],
    ['the whole day', [{ from: '00:00', to: '00:00', days: ['mon'] }], '2026-01-05T10:00Z', '2026-01-06T00:00Z'],
    ['the day after a whole day', [{ from: '00:00', to: '00:00', days: ['mon'] }], '2026-01-06T00:00Z', undefined],
    ['on another day', [{ from: '12:00', to: '13:00', days: ['tue'] }], '2026-01-05T12:30Z', undefined],
    ['of the day before', [{ from: '22:00', to: '07:00', days: ['sun'] }], '2026-01-05T06:00Z', '2026-01-05T07:00Z'],
    ['of the day before, which is not silent', [{ from: '22:00', to: '07:00', days: ['mon'] }], '2026-01-05T06:00Z', undefined],
    ['elsewhere', [{ from: '22:00', to: '07:00', timeZone: newYork }], '2026-01-06T04:00Z', '2026-01-06T12:00Z'],
    ['over an hour that is left out', [{ from: '22:00', to: '07:00', timeZone: newYork }], '2026-03-08T05:00Z', '2026-03-08T11:00Z'],
    ['over an hour that comes twice', [{ from: '22:00', to: '07:00', timeZone: newYork }], '2026-11-01T04:00Z', '2026-11-01T12:00Z'],
    ['until an hour that is left out', [{ from: '00:00', to: '02:30', timeZone: newYork }], '2026-03-08T06:10Z', '2026-03-08T07:00Z'],
    ['until an hour that comes twice', [{ from: '22:00', to: '01:30', timeZone: newYork }], '2026-11-01T03:00Z', '2026-11-01T05:30Z'],
    [
      'that goes over into another, a weekend',
      [
        { from: '22:00', to: '00:00', days: ['fri'] },
        { from: '00:00', to: '00:00', days: ['sat', 'sun'] },
      ],
      '2026-01-09T22:30Z',
      '2026-01-12T00:00Z',
    ],
    ['where there is none', [], '2026-01-05T12:00Z', undefined],
  ])('%s', (_, silences, now, end) => {
    const endMs = silenceEndMs(silences, Date.parse(now));
    expect(endMs === undefined ? undefined : new Date(endMs).toISOString().replace(':00.000', '')).toBe(end);
  });

  it('ends when it is over: nothing is silent then, and everything is a minute before', () => {
    const times = fc
      .nat(1_439)
      .map((minute) => `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`);
    const zones = fc.constantFrom('UTC', newYork, 'Asia/Kolkata', 'Australia/Lord_Howe', 'Pacific/Apia');
    const silences = fc.record({ from: times, to: times, timeZone: zones }).filter(({ from, to }) => from !== to);
    const changes = ['2026-03-08T05:00Z', '2026-11-01T05:00Z', '2026-04-04T13:00Z', '2026-10-03T13:00Z'].map((time) => Date.parse(time));
    const moments = fc.oneof(
      fc.integer({ min: Date.UTC(2025, 0), max: Date.UTC(2027, 0) }),
      fc.tuple(fc.constantFrom(...changes), fc.integer({ min: -dayMs, max: dayMs })).map(([change, beside]) => change + beside),
    );
    fc.assert(
      fc.property(silences, moments, (silence, nowMs) => {
        const endMs = silenceEndMs([silence], nowMs);
        if (endMs === undefined) return;
        expect(endMs).toBeGreaterThan(nowMs);
        expect(endMs - nowMs).toBeLessThanOrEqual(2 * dayMs);
        expect(silenceEndMs([silence], endMs)).toBeUndefined();
        expect(silenceEndMs([silence], Math.max(nowMs, endMs - minuteMs))).toBe(endMs);
      }),
      { numRuns: 1_000 },
    );
  });
});
