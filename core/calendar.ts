import type { EpochMs } from './trade.ts';

/** When a market trades, and which day a moment belongs to. A pure function of the time: no time zone data, no clock. */
export type Calendar = {
  readonly name: string;
  /** Day number of the local date: days since 1970-01-01, negative before. */
  sessionDayOf(eventTimeMs: EpochMs): number;
  /** Whether trades are expected then, extended hours included. */
  isOpen(eventTimeMs: EpochMs): boolean;
};

export const calendarNames = ['always', 'us-equities'] as const;
export type CalendarName = (typeof calendarNames)[number];

/**
 * The calendar of that name.
 * - `always`: open at all times, days in UTC.
 * - `us-equities`: days in New York, open 04:00-20:00 there on NYSE trading days and 04:00-17:00 on days of an early close.
 *
 * @throws RangeError for another name.
 */
export function calendarOf(name: CalendarName): Calendar {
  switch (name) {
    case 'always':
      return always;
    case 'us-equities':
      return usEquities;
    default:
      throw new RangeError(`calendar must be one of ${calendarNames.join(', ')}, received "${String(name)}"`);
  }
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

const always: Calendar = {
  name: 'always',
  sessionDayOf: (eventTimeMs) => Math.floor(eventTimeMs / dayMs),
  isOpen: () => true,
};

const usEquities: Calendar = {
  name: 'us-equities',
  sessionDayOf: (eventTimeMs) => Math.floor(newYorkTimeMsOf(eventTimeMs) / dayMs),
  isOpen: (eventTimeMs) => {
    const localMs = newYorkTimeMsOf(eventTimeMs);
    const day = Math.floor(localMs / dayMs);
    const timeOfDayMs = localMs - day * dayMs;
    if (timeOfDayMs < 4 * hourMs || timeOfDayMs >= 20 * hourMs) return false;
    if (weekdayOf(day) === saturday || weekdayOf(day) === sunday || isNyseHoliday(day)) return false;
    return timeOfDayMs < 17 * hourMs || !isNyseEarlyClose(day);
  },
};

/** The time on a clock in New York, counted as if it were UTC. */
function newYorkTimeMsOf(eventTimeMs: EpochMs): number {
  const standardMs = eventTimeMs - 5 * hourMs;
  const year = yearOf(Math.floor(standardMs / dayMs));
  const { firstDay, lastDay } = daylightSavingDaysOf(year);
  // Clocks go from 02:00 standard to 03:00 in spring, and from 02:00 daylight (01:00 standard) to 01:00 in autumn.
  const isDaylightSaving = standardMs >= firstDay * dayMs + 2 * hourMs && standardMs < lastDay * dayMs + hourMs;
  return isDaylightSaving ? standardMs + hourMs : standardMs;
}

/**
 * The days on which the clocks change in New York. Years before 1987 are read by the rule of 1987.
 * @see https://www.govinfo.gov/link/uscode/15/260a Energy Policy Act of 2005: second Sunday of March to first Sunday of November
 */
function daylightSavingDaysOf(year: number): { firstDay: number; lastDay: number } {
  if (year >= 2007) return { firstDay: nthWeekday(2, sunday, 3, year), lastDay: nthWeekday(1, sunday, 11, year) };
  return { firstDay: nthWeekday(1, sunday, 4, year), lastDay: lastWeekday(sunday, 10, year) };
}

/**
 * Full-day closings on a Monday to Friday.
 * @see https://www.nyse.com/markets/hours-calendars
 */
function isNyseHoliday(day: number): boolean {
  const year = yearOf(day);
  return (
    day === newYearsDay(year) ||
    (year >= 1998 && day === nthWeekday(3, monday, 1, year)) || // Martin Luther King, Jr. Day
    day === nthWeekday(3, monday, 2, year) || // Washington's Birthday
    day === easterSundayOf(year) - 2 || // Good Friday
    day === lastWeekday(monday, 5, year) || // Memorial Day
    (year >= 2022 && day === observed(dayOf(year, 6, 19))) || // Juneteenth
    day === observed(dayOf(year, 7, 4)) || // Independence Day
    day === nthWeekday(1, monday, 9, year) || // Labor Day
    day === thanksgivingOf(year) ||
    day === observed(dayOf(year, 12, 25)) || // Christmas Day
    unscheduledClosings.has(day)
  );
}

/** Closings at 13:00, as the NYSE has set them since 2013; a day that is a holiday by itself is asked for there first. */
function isNyseEarlyClose(day: number): boolean {
  const year = yearOf(day);
  return day === thanksgivingOf(year) + 1 || day === dayOf(year, 7, 3) || day === dayOf(year, 12, 24);
}

/** A holiday on a Saturday is kept on the Friday before, one on a Sunday on the Monday after. */
function observed(day: number): number {
  if (weekdayOf(day) === saturday) return day - 1;
  return weekdayOf(day) === sunday ? day + 1 : day;
}

// NYSE Rule 7.2: the Friday before is not kept when it ends a year, so New Year's Day on a Saturday closes no trading day.
function newYearsDay(year: number): number {
  const day = dayOf(year, 1, 1);
  return weekdayOf(day) === sunday ? day + 1 : day;
}

function thanksgivingOf(year: number): number {
  return nthWeekday(4, thursday, 11, year);
}

/** @see https://en.wikipedia.org/wiki/Date_of_Easter#Anonymous_Gregorian_algorithm */
function easterSundayOf(year: number): number {
  const a = year % 19;
  const b = Math.floor(year / 100);
  const c = year % 100;
  const f = Math.floor((b + 8) / 25);
  const g = Math.floor((b - f + 1) / 3);
  const h = (19 * a + b - Math.floor(b / 4) - g + 15) % 30;
  const l = (32 + 2 * (b % 4) + 2 * Math.floor(c / 4) - h - (c % 4)) % 7;
  const m = Math.floor((a + 11 * h + 22 * l) / 451);
  const monthAndDay = h + l - 7 * m + 114;
  return dayOf(year, Math.floor(monthAndDay / 31), (monthAndDay % 31) + 1);
}

const sunday = 0;
const monday = 1;
const thursday = 4;
const saturday = 6;

/** 0 is Sunday; 1970-01-01 was a Thursday. */
function weekdayOf(day: number): number {
  return (((day + 4) % 7) + 7) % 7;
}

function nthWeekday(n: number, weekday: number, month: number, year: number): number {
  const first = dayOf(year, month, 1);
  return first + ((weekday - weekdayOf(first) + 7) % 7) + (n - 1) * 7;
}

function lastWeekday(weekday: number, month: number, year: number): number {
  return nthWeekday(1, weekday, (month % 12) + 1, month === 12 ? year + 1 : year) - 7;
}

/** @see https://howardhinnant.github.io/date_algorithms.html#days_from_civil */
function dayOf(year: number, month: number, dayOfMonth: number): number {
  const shiftedYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(shiftedYear / 400);
  const yearOfEra = shiftedYear - era * 400;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + dayOfMonth - 1;
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468;
}

/** @see https://howardhinnant.github.io/date_algorithms.html#civil_from_days */
function yearOf(day: number): number {
  const shifted = day + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  return yearOfEra + era * 400 + (dayOfYear >= 306 ? 1 : 0);
}

/** Days that no rule gives: attacks, storms, days of mourning. */
const unscheduledClosings: ReadonlySet<number> = new Set([
  dayOf(2001, 9, 11),
  dayOf(2001, 9, 12),
  dayOf(2001, 9, 13),
  dayOf(2001, 9, 14),
  dayOf(2004, 6, 11),
  dayOf(2007, 1, 2),
  dayOf(2012, 10, 29),
  dayOf(2012, 10, 30),
  dayOf(2018, 12, 5),
  dayOf(2025, 1, 9),
]);
