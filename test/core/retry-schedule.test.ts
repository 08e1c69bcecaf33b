import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { downAfterFailures, type EndpointState, endpointAfter, healthy, isDown, openFromMs } from '../../core/endpoint-state.ts';
import type { Outcome } from '../../core/outcome.ts';
import { attemptsMax, attemptWaitsMs, retryWaitMs } from '../../core/retry-schedule.ts';

const hourMs = 3_600_000;

describe('the schedule', () => {
  it('has ten attempts over more than three days', () => {
    expect(attemptWaitsMs.map((ms) => ms / 1_000)).toEqual([0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]);
    expect(attemptWaitsMs.reduce((sum, ms) => sum + ms)).toBeGreaterThan(72 * hourMs);
  });

  it('waits no less than it says, no more than a tenth longer, and no less than the receiver asks for up to a day', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: attemptsMax - 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(48 * hourMs),
        (attempts, random, retryAfterMs) => {
          const scheduledMs = attemptWaitsMs[attempts] as number;
          const waitMs = retryWaitMs({ attempts, random, retryAfterMs }) as number;
          expect(waitMs).toBeGreaterThanOrEqual(Math.max(scheduledMs, Math.min(retryAfterMs, 24 * hourMs)));
          expect(waitMs).toBeLessThanOrEqual(Math.max(scheduledMs * 1.1, Math.min(retryAfterMs, 24 * hourMs)));
        },
      ),
    );
    expect(retryWaitMs({ attempts: attemptsMax, random: 0, retryAfterMs: 1 })).toBeUndefined();
  });
});

describe('an endpoint', () => {
  const outcomes = fc.constantFrom<Outcome>(
    { kind: 'delivered' },
    { kind: 'failed', reason: 'status 500' },
    { kind: 'failed', reason: 'status 429', retryAfterMs: hourMs },
    { kind: 'gone', reason: 'status 410' },
    { kind: 'refused', reason: 'no secret' },
  );

  it('counts failures in a row, is healthy after a success, and what only a person can undo stays', () => {
    fc.assert(
      fc.property(fc.array(outcomes, { maxLength: 30 }), (all) => {
        let state: EndpointState = healthy;
        let inARow = 0;
        for (const [i, outcome] of all.entries()) {
          const before = state;
          const nowMs = i * 1_000;
          state = endpointAfter(before, outcome, { attemptedAtMs: nowMs - 1, nowMs, random: 0 });
          inARow = outcome.kind === 'failed' ? inARow + 1 : 0;
          if (before.kind === 'disabled' && before.cause !== 'refused') expect(state).toBe(before);
          else if (outcome.kind === 'delivered') expect(state).toEqual(healthy);
          else if (outcome.kind === 'failed') {
            if (before.kind !== 'disabled') expect(state).toMatchObject({ kind: 'failing', failures: inARow });
            expect(isDown(state)).toBe(state.kind === 'failing' && state.failures >= downAfterFailures);
            expect(openFromMs(state)).toBeGreaterThanOrEqual(nowMs + (outcome.retryAfterMs ?? 0));
          } else expect(state).toMatchObject({ kind: 'disabled', cause: outcome.kind });
        }
      }),
    );
  });

  const failed = { kind: 'failed', reason: 'status 500' } as const;
  const stateAfter = (state: EndpointState, attemptedAtMs: number, nowMs: number, outcome: Outcome = failed) =>
    endpointAfter(state, outcome, { attemptedAtMs, nowMs, random: 0 });

  it('has failed once when attempts fail that were under way together, and waits for as long as any of them asks', () => {
    const once = stateAfter(healthy, 0, 100);
    expect(stateAfter(once, 99, 110)).toEqual({ ...once, notBeforeMs: 110 });
    expect(stateAfter(once, 99, 110, { ...failed, retryAfterMs: 5_000 })).toEqual({ ...once, notBeforeMs: 5_110 });
    expect(stateAfter(stateAfter(once, 99, 110, { ...failed, retryAfterMs: 5_000 }), 99, 120)).toMatchObject({
      failures: 1,
      notBeforeMs: 5_110,
    });
    expect(stateAfter(once, 100, 200)).toMatchObject({ failures: 2, sinceMs: 100 });
  });

  it('is disabled after five days in which it was tried, and not by a failure after days without an attempt', () => {
    const dayMs = 24 * hourMs;
    const once = stateAfter(healthy, 0, 0);
    expect(stateAfter(once, 6 * dayMs, 6 * dayMs)).toMatchObject({ kind: 'failing', failures: 2, sinceMs: 6 * dayMs });
    const longestMs = Math.max(...[0, 2 * dayMs].map((retryAfterMs) => retryWaitMs({ attempts: 9, random: 1, retryAfterMs }) as number));
    let state: EndpointState = once;
    for (let nowMs = longestMs; state.kind === 'failing'; nowMs += longestMs) state = stateAfter(state, nowMs, nowMs);
    expect(state).toMatchObject({ kind: 'disabled', cause: 'failing', sinceMs: Math.ceil((5 * dayMs) / longestMs) * longestMs });
  });

  it('goes on with what was stored before the time of the last failure was', () => {
    const { failedAtMs: _, ...stored } = stateAfter(healthy, 0, 100) as EndpointState & { kind: 'failing' };
    expect(stateAfter(stored, 99, 110)).toMatchObject({ failures: 1, sinceMs: 100 });
    expect(stateAfter(stored, 100, 200)).toMatchObject({ failures: 2, sinceMs: 100, failedAtMs: 200 });
  });
});
