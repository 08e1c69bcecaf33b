import { type CalendarName, calendarNames } from './calendar.ts';
import { type ConditionProfile, conditionProfiles } from './conditions.ts';
import { ConfigError } from './config-error.ts';
import { type Endpoint, endpointsOf } from './delivery.ts';
import { parseInterval } from './interval.ts';
import { nearestOf } from './nearest.ts';
import type { PipelineOptions } from './pipeline.ts';
import { type Subscriber, subscribersOf } from './subscribers.ts';
import type { Strategy } from './strategy.ts';
import { checkWindow } from './window.ts';

export { ConfigError } from './config-error.ts';
export { command, discord, slack, sqs, telegram, webhook } from './delivery.ts';

/** What a deployment is: the one thing a user states, read alike by the laptop and the cloud. */
export type TapelineConfig = {
  /**
   * The bars that strategies decide on: a whole number of s, m, h or d, from `1s` to `1d`.
   * @default '1m'
   */
  readonly interval?: string;
  /**
   * More bars of the same trades, for their own sake or for strategies with `timeframe('5m')`.
   * @default none
   */
  readonly intervals?: readonly string[];
  /** @default none: bars only */
  readonly strategies?: readonly Strategy[];
  /**
   * Which hours and days there are: `always` (UTC days) or `us-equities` (New York days, NYSE holidays). Says when session averages start
   * anew, which day a daily cap counts, and in which hours empty windows are carried.
   * @default 'always'
   */
  readonly calendar?: CalendarName;
  /**
   * How far trades may come out of order before their window closes, in event time. A bar closes this long after its end.
   * @default 2,000
   */
  readonly outOfOrdernessMs?: number;
  /**
   * How long after it closed a bar is given out again, with the next `rev`, when one of its trades comes late.
   * @default 60,000
   */
  readonly allowedLatenessMs?: number;
  /**
   * A trade dated further than this after its arrival is quarantined, so that one broken clock does not close the market.
   * @default 60,000
   */
  readonly aheadMaxMs?: number;
  /**
   * What a window without trades gives: nothing, or a bar of the last close for every symbol that has traded in
   * the day before.
   * @default 'none'
   */
  readonly emptyWindows?: 'none' | 'carry';
  /**
   * Which sale conditions make prices: `all` trades, or by the consolidated tapes' rules (`sip`; `sip+extended` lets form T make prices).
   * @default 'all'
   */
  readonly conditions?: ConditionProfile;
  /**
   * Where windows start, counted from the epoch; smaller than the smallest interval.
   * @default 0
   */
  readonly windowOffsetMs?: number;
  /**
   * Into how many parts the market is divided, 1 to 4,096; fixed for the life of a state.
   * @default 16
   */
  readonly buckets?: number;
  /**
   * Names one version of the whole: its state and its signal ids. Change it to start anew beside the old one.
   * @default '1'
   */
  readonly generation?: string;
  /**
   * Where the cloud keeps bars, trades and late trades: `parquet` files for Athena, `timestream` where the account has Timestream for
   * LiveAnalytics, or `none`. On the laptop it is always DuckDB.
   * @default 'parquet'
   */
  readonly history?: HistoryKind;
  /**
   * Shards of the cloud's tape, 1 to 9,999, or `on-demand` to let Kinesis decide. Two carry 1,500 tickers with 4 GB a day.
   * @default 2
   */
  readonly shards?: number | 'on-demand';
  /**
   * Where signals are delivered to: `webhook({ url: 'https://example.com/hooks' })`, `slack`, `discord`, `telegram`, `sqs`,
   * `command`.
   * @default nowhere
   */
  readonly deliver?: readonly Endpoint[];
  /**
   * Who gets the signals of the cloud's topic: `{ email: 'desk@example.com', sides: ['buy'] }`, or a `url` or `queueArn` instead.
   * @default nobody, until somebody subscribes
   */
  readonly subscribe?: readonly Subscriber[];
};

export const historyKinds = ['parquet', 'timestream', 'none'] as const;
export type HistoryKind = (typeof historyKinds)[number];

/** What only the cloud asks of a config: no state depends on it, so it may change at any time. */
export type DeploymentOptions = { readonly history: HistoryKind; readonly shards: number | 'on-demand' };

/** Checks a config and returns it. @throws ConfigError */
export function defineTapeline(config: TapelineConfig): TapelineConfig {
  pipelineOptionsOf(config);
  deploymentOptionsOf(config);
  endpointsOf(config.deliver ?? []);
  subscribersOf(config.subscribe ?? []);
  return config;
}

/** What a deployment computes, with every default filled in. @throws ConfigError */
export function pipelineOptionsOf(config: TapelineConfig): PipelineOptions {
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw new ConfigError(`config must be an object, received "${String(config)}"`);
  refuseUnknownKeys(config);
  const {
    interval = '1m',
    intervals = [],
    strategies = [],
    emptyWindows = 'none',
    conditions = 'all',
    calendar = 'always',
    generation = '1',
  } = config;
  if (!Array.isArray(intervals)) throw new ConfigError(`intervals must be a list such as ['5m', '1h'], received "${String(intervals)}"`);
  const windowSizesMs = [...new Set([interval, ...intervals].map(intervalOf))];
  const options: PipelineOptions = {
    generation,
    bucketCount: wholeNumber('buckets', config.buckets ?? 16, 1, 4096),
    windowSizesMs,
    windowOffsetMs: wholeNumber('windowOffsetMs', config.windowOffsetMs ?? 0, -dayMs, dayMs),
    outOfOrdernessMs: wholeNumber('outOfOrdernessMs', config.outOfOrdernessMs ?? 2_000, 0, dayMs),
    allowedLatenessMs: wholeNumber('allowedLatenessMs', config.allowedLatenessMs ?? 60_000, 0, 7 * dayMs),
    aheadMaxMs: wholeNumber('aheadMaxMs', config.aheadMaxMs ?? 60_000, 0, 365 * dayMs),
    emptyWindows: oneOf('emptyWindows', emptyWindows, ['none', 'carry']),
    conditions: oneOf('conditions', conditions, conditionProfiles),
    calendar: oneOf('calendar', calendar, calendarNames),
    strategies: strategiesOf(strategies),
  };
  if (typeof generation !== 'string' || !/^[A-Za-z0-9_-]{1,32}$/.test(generation)) {
    throw new ConfigError(`generation must be 1 to 32 letters, digits, "_" or "-", received "${String(generation)}"`);
  }
  for (const windowSizeMs of windowSizesMs) {
    try {
      checkWindow({ windowSizeMs, offsetMs: options.windowOffsetMs });
    } catch (cause) {
      throw new ConfigError((cause as Error).message, { cause });
    }
  }
  return options;
}

/** What the cloud needs beside it, with every default filled in. @throws ConfigError */
export function deploymentOptionsOf({ history = 'parquet', shards = 2 }: TapelineConfig): DeploymentOptions {
  return { history: oneOf('history', history, historyKinds), shards: shardsOf(shards) };
}

const dayMs = 86_400_000;

const keys: Record<keyof TapelineConfig, true> = {
  interval: true,
  intervals: true,
  strategies: true,
  calendar: true,
  outOfOrdernessMs: true,
  allowedLatenessMs: true,
  aheadMaxMs: true,
  emptyWindows: true,
  conditions: true,
  windowOffsetMs: true,
  buckets: true,
  generation: true,
  history: true,
  shards: true,
  deliver: true,
  subscribe: true,
};

function refuseUnknownKeys(config: TapelineConfig): void {
  for (const key of Object.keys(config)) {
    if (!Object.hasOwn(keys, key))
      throw new ConfigError(`config has no option "${key}"; did you mean "${nearestOf(key, Object.keys(keys))}"?`);
  }
}

function intervalOf(interval: unknown): number {
  try {
    return parseInterval(String(interval));
  } catch (cause) {
    throw new ConfigError((cause as Error).message, { cause });
  }
}

function strategiesOf(strategies: unknown): readonly Strategy[] {
  if (!Array.isArray(strategies)) throw new ConfigError(`strategies must be a list, received "${String(strategies)}"`);
  const names = new Set<string>();
  for (const strategy of strategies as Partial<Strategy>[]) {
    if (typeof strategy?.name !== 'string' || typeof strategy.build !== 'function') {
      throw new ConfigError(`strategies must hold what defineStrategy returns, received "${String(strategy)}"`);
    }
    if (names.has(strategy.name)) throw new ConfigError(`strategies must have names of their own, received "${strategy.name}" twice`);
    names.add(strategy.name);
  }
  return strategies as Strategy[];
}

function wholeNumber(option: string, value: unknown, smallest: number, greatest: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= smallest && (value as number) <= greatest) return value as number;
  throw new ConfigError(`${option} must be a whole number from ${smallest} to ${greatest}, received "${String(value)}"`);
}

function shardsOf(shards: unknown): number | 'on-demand' {
  if (shards === 'on-demand' || (Number.isSafeInteger(shards) && (shards as number) >= 1 && (shards as number) <= 9_999))
    return shards as number | 'on-demand';
  throw new ConfigError(`shards must be a whole number from 1 to 9999 or "on-demand", received "${String(shards)}"`);
}

function oneOf<T extends string>(option: string, value: unknown, allowed: readonly T[]): T {
  if (allowed.includes(value as T)) return value as T;
  throw new ConfigError(
    `${option} must be one of ${allowed.join(', ')}, received "${String(value)}"; did you mean "${nearestOf(String(value), allowed)}"?`,
  );
}
