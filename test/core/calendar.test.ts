import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CalendarName, calendarOf } from '../../core/calendar.ts';

const newYork = calendarOf('us-equities');
const dayMs = 86_400_000;

/** Noon in New York is 16:00 or 17:00 UTC. */
const noonOf = (date: string) => Date.parse(`${date}T16:30:00Z`);

const newYorkDate = new Intl.DateTimeFormat('en-CA', { timeZone: 'America/New_York', year: 'numeric', month: '2-digit', day: '2-digit' });
const newYorkHour = new Intl.DateTimeFormat('en-GB', { timeZone: 'America/New_York', hour: '2-digit', hourCycle: 'h23' });

function weekdaysClosedIn(year: number): string[] {
  const closed: string[] = [];
  for (let day = Date.UTC(year, 0, 1); day < Date.UTC(year + 1, 0, 1); day += dayMs) {
    const date = new Date(day).toISOString().slice(0, 10);
    const weekday = new Date(day).getUTCDay();
    if (weekday !== 0 && weekday !== 6 && !newYork.isOpen(noonOf(date))) closed.push(date.slice(5));
  }
  return closed;
}

function earlyClosesIn(year: number): string[] {
  const early: string[] = [];
  for (let day = Date.UTC(year, 0, 1); day < Date.UTC(year + 1, 0, 1); day += dayMs) {
    const date = new Date(day).toISOString().slice(0, 10);
    // 22:30 UTC is 17:30 or 18:30 in New York.
    if (newYork.isOpen(noonOf(date)) && !newYork.isOpen(Date.parse(`${date}T22:30:00Z`))) early.push(date.slice(5));
  }
  return early;
}

describe('the calendar "always"', () => {
  const always = calendarOf('always');

  it('is open at every time and counts days in UTC, also before 1970', () => {
    expect([-dayMs - 1, -1, 0, dayMs - 1, dayMs].map((at) => always.sessionDayOf(at))).toEqual([-2, -1, 0, 0, 1]);
    expect([-1, 0, noonOf('2024-12-25')].every((at) => always.isOpen(at))).toBe(true);
  });
});

describe('the calendar "us-equities"', () => {
  it('has the same local date as the time zone database from 1987 to 2037', () => {
    const times = fc.integer({ min: Date.UTC(1987, 0, 1, 12), max: Date.UTC(2037, 11, 31) });
    fc.assert(
      fc.property(times, (at) => {
        expect(newYork.sessionDayOf(at)).toBe(Date.parse(newYorkDate.format(at)) / dayMs);
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([1988, 1999, 2006, 2007, 2013, 2024, 2025, 2026, 2036])(
    'changes its clocks in %i on the same days as the time zone database',
    (year) => {
      // A day in New York begins at 04:00 UTC in summer and at 05:00 in winter.
      for (let day = Date.UTC(year, 0, 1); day < Date.UTC(year + 1, 0, 1); day += dayMs) {
        const offsetHours = 24 - Number(newYorkHour.format(day));
        expect(newYork.sessionDayOf(day + offsetHours * 3_600_000) - newYork.sessionDayOf(day + offsetHours * 3_600_000 - 1)).toBe(1);
      }
    },
  );

  it.each([
    { change: 'spring 2024', at: '2024-03-11T07:59:59.999Z', open: false },
    { change: 'spring 2024', at: '2024-03-11T08:00:00.000Z', open: true },
    { change: 'before spring 2024', at: '2024-03-08T08:59:59.999Z', open: false },
    { change: 'before spring 2024', at: '2024-03-08T09:00:00.000Z', open: true },
    { change: 'after autumn 2024', at: '2024-11-04T08:59:59.999Z', open: false },
    { change: 'after autumn 2024', at: '2024-11-04T09:00:00.000Z', open: true },
    { change: 'April 2006, one month after the later rule', at: '2006-03-20T09:00:00.000Z', open: true },
    { change: 'April 2006, one month after the later rule', at: '2006-03-20T08:59:59.999Z', open: false },
  ])('opens at 04:00 in New York: $change, $at is open: $open', ({ at, open }) => {
    expect(newYork.isOpen(Date.parse(at))).toBe(open);
  });

  it.each([
    { why: 'last moment of a day', at: '2024-07-10T23:59:59.999Z', open: true },
    { why: 'after 20:00', at: '2024-07-11T00:00:00.000Z', open: false },
    { why: 'a Saturday', at: '2024-07-13T16:00:00.000Z', open: false },
    { why: 'a Sunday', at: '2024-07-14T16:00:00.000Z', open: false },
    { why: 'early close, before 17:00', at: '2024-07-03T20:59:59.999Z', open: true },
    { why: 'early close, at 17:00', at: '2024-07-03T21:00:00.000Z', open: false },
    { why: 'early close in winter, before 17:00', at: '2024-11-29T21:59:59.999Z', open: true },
    { why: 'early close in winter, at 17:00', at: '2024-11-29T22:00:00.000Z', open: false },
    { why: 'the day of the IBM tape', at: '2013-10-07T13:30:00.000Z', open: true },
  ])('keeps its hours: $why', ({ at, open }) => {
    expect(newYork.isOpen(Date.parse(at))).toBe(open);
  });

  it.each([
    { year: 2012, closed: '01-02 01-16 02-20 04-06 05-28 07-04 09-03 10-29 10-30 11-22 12-25', early: '07-03 11-23 12-24' },
    { year: 2021, closed: '01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 12-24', early: '11-26' },
    { year: 2022, closed: '01-17 02-21 04-15 05-30 06-20 07-04 09-05 11-24 12-26', early: '11-25' },
    { year: 2023, closed: '01-02 01-16 02-20 04-07 05-29 06-19 07-04 09-04 11-23 12-25', early: '07-03 11-24' },
    { year: 2024, closed: '01-01 01-15 02-19 03-29 05-27 06-19 07-04 09-02 11-28 12-25', early: '07-03 11-29 12-24' },
    { year: 2025, closed: '01-01 01-09 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25', early: '07-03 11-28 12-24' },
    { year: 2026, closed: '01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25', early: '11-27 12-24' },
    { year: 2027, closed: '01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24', early: '11-26' },
  ])('has the NYSE holidays and early closes of $year', ({ year, closed, early }) => {
    expect(weekdaysClosedIn(year).join(' ')).toBe(closed);
    expect(earlyClosesIn(year).join(' ')).toBe(early);
  });
});

it('refuses a calendar that it does not know', () => {
  expect(() => calendarOf('lse' as CalendarName)).toThrow('calendar must be one of always, us-equities, received "lse"');
});
