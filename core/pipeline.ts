import { type Calendar, type CalendarName, calendarOf } from './calendar.ts';
import type { ConditionProfile } from './conditions.ts';
import { textKeys } from './id-set.ts';
import { type CompiledStrategies, compileStrategies, type Strategy } from './strategy.ts';
import { checkWindow } from './window.ts';

/** What one deployment computes, stated in full: `config.ts` fills in the defaults. */
export type PipelineOptions = {
  /** Names the state and the signals of one version of the strategies. */
  readonly generation: string;
  readonly bucketCount: number;
  /** The first is the one strategies decide on. */
  readonly windowSizesMs: readonly number[];
  readonly windowOffsetMs: number;
  /** How far trades may arrive out of order before their window closes. */
  readonly outOfOrdernessMs: number;
  /** How long after its close a bar is still given out again when a trade comes for it. */
  readonly allowedLatenessMs: number;
  /** A trade further than this beyond its arrival is quarantined. */
  readonly aheadMaxMs: number;
  readonly emptyWindows: 'none' | 'carry';
  readonly conditions: ConditionProfile;
  readonly calendar: CalendarName;
  readonly strategies: readonly Strategy[];
};

export type Pipeline = Omit<PipelineOptions, 'calendar' | 'strategies'> & {
  readonly calendar: Calendar;
  readonly strategies: CompiledStrategies;
  /** Equal for two pipelines exactly when one can read the state of the other. */
  readonly fingerprint: string;
};

/** @throws RangeError for a window that cannot be, and what the strategies throw while they are built. */
export function pipelineOf(options: PipelineOptions): Pipeline {
  for (const windowSizeMs of options.windowSizesMs) checkWindow({ windowSizeMs, offsetMs: options.windowOffsetMs });
  const calendar = calendarOf(options.calendar);
  const { windowSizesMs, generation } = options;
  const strategies = compileStrategies(options.strategies, { windowSizesMs, calendar, generation });
  return { ...options, calendar, strategies, fingerprint: fingerprintOf(options, strategies) };
}

function fingerprintOf(options: PipelineOptions, strategies: CompiledStrategies): string {
  const { strategies: _, ...rest } = options;
  const keys = new Float64Array(2);
  textKeys(JSON.stringify([stateVersion, rest, strategies.fingerprint]), keys);
  return [...keys].join('');
}

/** Raised when the layout of the state changes. */
export const stateVersion = 2;
