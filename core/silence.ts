import type { EpochMs } from './trade.ts';

const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
export type DayName = (typeof dayNames)[number];

/** Hours of each day, from `from` until just before `to`; past midnight when `to` is not after `from`. */
export type Silence = {
  /** Local time such as `22:00`. */
  readonly from: string;
  readonly to: string;
  /** @default 'UTC' */
  readonly timeZone?: string;
  /** The days on which it begins. @default every day */
  readonly days?: readonly DayName[];
};

/** When the silence that holds at `nowMs` ends, silences that follow at once included; undefined when none holds. */
export function silenceEndMs(silences: readonly Silence[], nowMs: EpochMs): EpochMs | undefined {
  let endMs = nowMs;
  // Silences that never end are asked again a week later.
  for (let step = 0; step < 15; step++) {
    const ends = silences.flatMap((silence) => endOf(silence, endMs) ?? []);
    if (ends.length === 0) break;
    endMs = Math.max(...ends);
  }
  return endMs === nowMs ? undefined : endMs;
}

/** @throws RangeError */
export function checkSilence(value: unknown, of: string): void {
  if (!Array.isArray(value))
    throw new RangeError(`${of} must be a list such as [{ from: '22:00', to: '07:00' }], received "${String(value)}"`);
  for (const silence of value as Silence[]) {
    const { from, to, timeZone = 'UTC', days = dayNames, ...rest } = silence ?? {};
    for (const [name, time] of Object.entries({ from, to })) {
      if (!timePattern.test(String(time))) throw new RangeError(`${of}.${name} must be a local time such as "22:00", received "${time}"`);
    }
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) throw new RangeError(`${of} has no option "${unknown}"; it has from, to, timeZone and days`);
    if (!Array.isArray(days) || days.length === 0 || !days.every((day) => dayNames.includes(day)))
      throw new RangeError(`${of}.days must be a list of ${dayNames.join(', ')}, received "${String(days)}"`);
    try {
      clockOf(timeZone);
    } catch (cause) {
      throw new RangeError(`${of}.timeZone must be a time zone such as "America/New_York", received "${String(timeZone)}"`, { cause });
    }
  }
}

const timePattern = /^([01]\d|2[0-3]):[0-5]\d$/;
const minuteMs = 60_000;
const dayMinutes = 1_440;

function endOf(silence: Silence, nowMs: EpochMs): EpochMs | undefined {
  if (!isSilent(silence, nowMs)) return undefined;
  const { from, to, timeZone = 'UTC' } = silence;
  const [fromMinute, toMinute] = [minuteOf(from), minuteOf(to)];
  const minuteOfNow = localTimeOf(timeZone, nowMs).minute;
  const isTomorrow = toMinute <= fromMinute && minuteOfNow >= fromMinute;
  const minutesLeft = toMinute - minuteOfNow + (isTomorrow ? dayMinutes : 0);
  const endMs = (Math.floor(nowMs / minuteMs) + minutesLeft) * minuteMs;
  // Where clocks are changed meanwhile, what was counted in hours is corrected to what the clock shows.
  const shown = localTimeOf(timeZone, endMs).minute;
  const correctedMs = endMs - (((shown - toMinute + dayMinutes * 1.5) % dayMinutes) - dayMinutes / 2) * minuteMs;
  return localTimeOf(timeZone, correctedMs).minute === toMinute ? correctedMs : lastSilentMinuteMs(silence, nowMs, endMs) + minuteMs;
}

/** A clock that is put forward may never show the end: then it ends with that. */
function lastSilentMinuteMs(silence: Silence, nowMs: EpochMs, endMs: EpochMs): EpochMs {
  let [silentMinute, loudMinute] = [Math.floor(nowMs / minuteMs), Math.ceil(endMs / minuteMs)];
  while (loudMinute - silentMinute > 1) {
    const middle = Math.floor((silentMinute + loudMinute) / 2);
    if (isSilent(silence, middle * minuteMs)) silentMinute = middle;
    else loudMinute = middle;
  }
  return silentMinute * minuteMs;
}

function isSilent({ from, to, timeZone = 'UTC', days = dayNames }: Silence, timeMs: EpochMs): boolean {
  const [fromMinute, toMinute] = [minuteOf(from), minuteOf(to)];
  const isPastMidnight = toMinute <= fromMinute;
  const { day, minute } = localTimeOf(timeZone, timeMs);
  const begins = (daysAgo: number) => days.includes(dayNames[(day - daysAgo + 7) % 7] as DayName);
  const isSinceToday = begins(0) && minute >= fromMinute && (isPastMidnight || minute < toMinute);
  return isSinceToday || (begins(1) && isPastMidnight && minute < toMinute);
}

function minuteOf(time: string): number {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
}

function localTimeOf(timeZone: string, timeMs: EpochMs): { readonly day: number; readonly minute: number } {
  const parts = clockOf(timeZone).formatToParts(timeMs);
  const part = (wanted: string) => parts.find(({ type }) => type === wanted)?.value ?? '';
  return { day: dayNames.indexOf(part('weekday').toLowerCase() as DayName), minute: Number(part('hour')) * 60 + Number(part('minute')) };
}

/** By time zone: making one takes longer than asking it. */
const clocks = new Map<string, Intl.DateTimeFormat>();

function clockOf(timeZone: string): Intl.DateTimeFormat {
  const clock =
    clocks.get(timeZone) ??
    new Intl.DateTimeFormat('en-US', { timeZone, weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  clocks.set(timeZone, clock);
  return clock;
}
