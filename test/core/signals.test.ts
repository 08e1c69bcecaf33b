import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { calendarOf } from '../../core/calendar.ts';
import { signalGuards } from '../../core/reasons.ts';
import type { Side } from '../../core/signal.ts';
import { signalIdOf } from '../../core/signal-id.ts';
import { type GuardOptions, guardsOf, passed, SignalMachine, signalStateAtFirst } from '../../core/signals.ts';

const minuteMs = 60_000;
const dayMs = 86_400_000;

/** One (symbol, strategy) whose bars are a minute long; answers 'buy enter', 'sell exit', … or the guard that stopped it. */
class Bench {
  readonly slots = Float64Array.from(signalStateAtFirst);
  readonly #machine: SignalMachine;

  constructor(options: GuardOptions) {
    this.#machine = new SignalMachine({ guards: guardsOf(options), calendar: calendarOf('always'), firstSlot: 0 });
  }

  decide(side: Side, windowStartMs: number, isWarm = true): string {
    const windowEndMs = windowStartMs + minuteMs;
    const before = [...this.slots];
    const stoppedBy = this.#machine.stoppedBy(this.slots, 0, side, isWarm, windowStartMs, windowEndMs);
    expect([...this.slots]).toEqual(before);
    if (stoppedBy !== passed) return signalGuards[stoppedBy] as string;
    return `${side} ${this.#machine.raise(this.slots, 0, side, windowStartMs, windowEndMs)}`;
  }
}

type Step = readonly [side: Side, minute: number, answer: string];

describe('the signal machine', () => {
  it.each<{ fact: string; guards: GuardOptions; steps: readonly Step[] }>([
    {
      fact: 'raises one signal for each change of mind',
      guards: {},
      steps: [
        ['sell', 0, 'no-position'],
        ['buy', 1, 'buy enter'],
        ['buy', 2, 'already-in-position'],
        ['sell', 3, 'sell exit'],
        ['sell', 4, 'no-position'],
        ['buy', 5, 'buy enter'],
      ],
    },
    {
      fact: 'enters short only where that is allowed, and a buy exits it',
      guards: { allowShort: true },
      steps: [
        ['sell', 0, 'sell enter'],
        ['sell', 1, 'already-in-position'],
        ['buy', 2, 'buy exit'],
        ['buy', 3, 'buy enter'],
        ['sell', 4, 'sell exit'],
        ['sell', 5, 'sell enter'],
      ],
    },
    {
      fact: 'cools down after entries and exits alike, and is free again when the time is over to the millisecond',
      guards: { cooldownMs: 3 * minuteMs },
      steps: [
        ['buy', 0, 'buy enter'],
        ['sell', 2, 'cooldown'],
        ['sell', 3, 'sell exit'],
        ['buy', 5, 'cooldown'],
        ['buy', 6, 'buy enter'],
      ],
    },
    {
      fact: 'holds a position for its time, which stops no entry',
      guards: { minimumHoldMs: 3 * minuteMs },
      steps: [
        ['buy', 0, 'buy enter'],
        ['sell', 2, 'minimum-hold'],
        ['buy', 2, 'already-in-position'],
        ['sell', 3, 'sell exit'],
        ['buy', 4, 'buy enter'],
      ],
    },
    {
      fact: 'holds a short position for its time too',
      guards: { minimumHoldMs: 3 * minuteMs, allowShort: true },
      steps: [
        ['sell', 0, 'sell enter'],
        ['buy', 1, 'minimum-hold'],
        ['buy', 3, 'buy exit'],
        ['sell', 4, 'sell enter'],
      ],
    },
    {
      fact: 'counts entries and exits of a session day up to the cap, and begins anew on the next',
      guards: { dailyCap: 3 },
      steps: [
        ['buy', 0, 'buy enter'],
        ['sell', 1, 'sell exit'],
        ['buy', 2, 'buy enter'],
        ['sell', 3, 'daily-cap'],
        ['buy', 4, 'daily-cap'],
        ['sell', 1_439, 'daily-cap'],
        ['sell', 1_440, 'sell exit'],
        ['buy', 1_441, 'buy enter'],
        ['sell', 1_442, 'sell exit'],
        ['buy', 1_443, 'daily-cap'],
      ],
    },
    {
      fact: 'names the first guard in their order',
      guards: { cooldownMs: 3 * minuteMs, minimumHoldMs: 5 * minuteMs, dailyCap: 1 },
      steps: [
        ['buy', 0, 'buy enter'],
        ['sell', 1, 'cooldown'],
        ['sell', 4, 'minimum-hold'],
        ['sell', 5, 'daily-cap'],
        ['buy', 5, 'daily-cap'],
        ['buy', 1_440, 'already-in-position'],
        ['sell', 1_441, 'sell exit'],
      ],
    },
  ])('$fact', ({ guards, steps }) => {
    const bench = new Bench(guards);
    expect(steps.map(([side, minute]) => [side, minute, bench.decide(side, minute * minuteMs)])).toEqual(steps);
  });

  it('raises nothing while it warms up, whatever the position', () => {
    const bench = new Bench({ allowShort: true });
    expect(bench.decide('buy', 0, false)).toBe('warm-up');
    expect(bench.decide('sell', minuteMs, false)).toBe('warm-up');
    expect(bench.decide('sell', 2 * minuteMs)).toBe('sell enter');
  });

  const guards = fc.record({
    cooldownMs: fc.integer({ min: 0, max: 5 }).map((minutes) => minutes * minuteMs),
    minimumHoldMs: fc.integer({ min: 0, max: 5 }).map((minutes) => minutes * minuteMs),
    dailyCap: fc.constantFrom(1, 2, 7, Number.POSITIVE_INFINITY),
    allowShort: fc.boolean(),
  });
  const decisions = fc.array(fc.record({ side: fc.constantFrom<Side>('buy', 'sell'), gapMinutes: fc.integer({ min: 1, max: 300 }) }), {
    maxLength: 200,
  });

  it('alternates entries and exits, keeps its times and its cap, for all decisions', () => {
    fc.assert(
      fc.property(guards, decisions, (options, wishes) => {
        const bench = new Bench(options);
        let atMs = -3 * dayMs;
        let last: { answer: string; atMs: number } | undefined;
        const perDay = new Map<number, number>();
        for (const { side, gapMinutes } of wishes) {
          atMs += gapMinutes * minuteMs;
          const answer = bench.decide(side, atMs);
          if (!answer.includes(' ')) continue;
          const isEntry = answer.endsWith('enter');
          expect(isEntry).toBe(last === undefined || last.answer.endsWith('exit'));
          if (!isEntry) expect(answer.split(' ')[0]).not.toBe(last?.answer.split(' ')[0]);
          if (isEntry && side === 'sell') expect(options.allowShort).toBe(true);
          if (last !== undefined)
            expect(atMs - last.atMs).toBeGreaterThanOrEqual(
              isEntry ? options.cooldownMs : Math.max(options.cooldownMs, options.minimumHoldMs),
            );
          const day = Math.floor(atMs / dayMs);
          perDay.set(day, (perDay.get(day) ?? 0) + 1);
          last = { answer, atMs };
        }
        expect(Math.max(0, ...perDay.values())).toBeLessThanOrEqual(options.dailyCap);
      }),
    );
  });
});

describe('guards', () => {
  it.each<{ options: object; message: string }>([
    { options: { cooldownMs: -1 }, message: 'cooldownMs must be a whole number of ms, 0 or more, received "-1"' },
    { options: { minimumHoldMs: 0.5 }, message: 'minimumHoldMs must be a whole number of ms, 0 or more, received "0.5"' },
    { options: { dailyCap: 0 }, message: 'dailyCap must be a whole number above 0, or Infinity, received "0"' },
    { options: { warmUpBars: Number.NaN }, message: 'warmUpBars must be a whole number, 0 or more, received "NaN"' },
    { options: { allowShort: 'yes' }, message: 'allowShort must be true or false, received "yes"' },
    {
      options: { coolDownMs: 5 },
      message: 'guard must be one of cooldownMs, minimumHoldMs, dailyCap, warmUpBars, allowShort, received "coolDownMs"',
    },
  ])('refuse $options', ({ options, message }) => {
    expect(() => guardsOf(options)).toThrow(message);
  });
});

describe('the id of a signal', () => {
  const decision = { generation: '1', strategy: 'ema-cross', symbol: 'IBM', interval: '1m', windowStartMs: 1_381_152_600_000 };

  it.each([
    { change: {}, id: '1_ema-cross_IBM_1m_1381152600000' },
    { change: { symbol: 'BRK.B' }, id: '1_ema-cross_BRK~2EB_1m_1381152600000' },
    { change: { symbol: 'a_b~c' }, id: '1_ema-cross_a~5Fb~7Ec_1m_1381152600000' },
    { change: { symbol: 'Zürich€😀' }, id: '1_ema-cross_Z~C3~BCrich~E2~82~AC~F0~9F~98~80_1m_1381152600000' },
    { change: { windowStartMs: -60_000 }, id: '1_ema-cross_IBM_1m_-60000' },
  ])('reads $id', ({ change, id }) => {
    expect(signalIdOf({ ...decision, ...change })).toBe(id);
  });

  const decided = fc.record({
    generation: fc.string({ maxLength: 4 }),
    strategy: fc.string({ maxLength: 4 }),
    symbol: fc.oneof(fc.string({ unit: 'binary', maxLength: 4 }), fc.constantFrom('\ud800', '\udfff', '~2E', '.', '_', '~')),
    interval: fc.constantFrom('1m', '1s', '1d'),
    windowStartMs: fc.integer(),
  });

  it('is safe everywhere, and of one decision alone', () => {
    fc.assert(
      fc.property(decided, decided, (a, b) => {
        expect(signalIdOf(a)).toMatch(/^[A-Za-z0-9_~-]+$/);
        expect(signalIdOf(a) === signalIdOf(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
      { numRuns: 2_000 },
    );
  });

  it('parts its fields where they part', () => {
    const text = fc.constantFrom('', '_', '-', 'a', 'a_', '_a', '~5F', 'a~');
    fc.assert(
      fc.property(text, text, text, text, (a, b, c, d) => {
        const id = (generation: string, strategy: string) => signalIdOf({ ...decision, generation, strategy });
        expect(id(a, b) === id(c, d)).toBe(a === c && b === d);
      }),
      { numRuns: 2_000 },
    );
  });
});
