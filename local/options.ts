import { statSync } from 'node:fs';
import { dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ConfigError, defineTapeline, pipelineOptionsOf, type TapelineConfig } from '../core/config.ts';
import type { Endpoint } from '../core/delivery.ts';
import { nearestOf } from '../core/nearest.ts';
import { type Pipeline, pipelineOf } from '../core/pipeline.ts';
import type { Strategy } from '../core/strategy.ts';
import { eventTimeMaxMs } from '../core/trade.ts';
import type { TradeFilter } from './filter.ts';

/** What `replay`, `run` and `start` share, as the command line gives it. */
export type SharedOptions = {
  readonly feed?: string;
  readonly config?: string;
  readonly interval?: readonly string[];
  readonly strategy?: readonly string[];
  readonly outOfOrderness?: string;
  readonly allowedLateness?: string;
  readonly conditions?: string;
  readonly emptyWindows?: string;
  readonly buckets?: string | undefined;
  readonly symbols?: string;
  readonly from?: string;
  readonly to?: string;
  readonly strict?: boolean;
  readonly json?: boolean;
};

const packageFolder = dirname(dirname(fileURLToPath(import.meta.url)));
const configName = 'tapeline.config.ts';
/** Ours are JavaScript in a package. */
const ourEnding = extname(fileURLToPath(import.meta.url));

/** The config file with the command line's options over it, compiled. @throws ConfigError, and what building a strategy throws */
export async function pipelineFor(options: SharedOptions): Promise<Pipeline> {
  const config = await loadConfig(options.config);
  const intervals = options.interval?.flatMap((list) => list.split(','));
  const [interval, ...others] = intervals ?? [];
  return pipelineOf(
    pipelineOptionsOf({
      ...config,
      ...(interval === undefined ? {} : { interval, intervals: others }),
      ...(options.strategy === undefined ? {} : { strategies: await strategiesNamed(options.strategy, config.strategies ?? []) }),
      ...(options.outOfOrderness === undefined ? {} : { outOfOrdernessMs: numberOf('--out-of-orderness', options.outOfOrderness) }),
      ...(options.allowedLateness === undefined ? {} : { allowedLatenessMs: numberOf('--allowed-lateness', options.allowedLateness) }),
      ...(options.conditions === undefined ? {} : { conditions: options.conditions as NonNullable<TapelineConfig['conditions']> }),
      ...(options.emptyWindows === undefined ? {} : { emptyWindows: options.emptyWindows as NonNullable<TapelineConfig['emptyWindows']> }),
      ...(options.buckets === undefined ? {} : { buckets: numberOf('--buckets', options.buckets) }),
    }),
  );
}

/** Where the config delivers signals to. @throws ConfigError */
export async function endpointsFor({ config }: Pick<SharedOptions, 'config'>): Promise<readonly Endpoint[]> {
  return (await loadConfig(config)).deliver ?? [];
}

/** @throws ConfigError */
export function filterFor({ symbols, from, to }: SharedOptions): TradeFilter {
  const names = symbols
    ?.split(',')
    .map((symbol) => symbol.trim())
    .filter((symbol) => symbol !== '');
  if (names?.length === 0)
    throw new ConfigError(`--symbols must be symbols with commas between them, such as "IBM,AAPL", received "${symbols}"`);
  const fromMs = from === undefined ? undefined : timeOf('--from', from);
  const toMs = to === undefined ? undefined : timeOf('--to', to);
  if (fromMs !== undefined && toMs !== undefined && fromMs >= toMs)
    throw new ConfigError(`--from must be before --to, received "${from}" and "${to}"`);
  return { symbols: names === undefined ? undefined : new Set(names), fromMs, toMs };
}

type NumberRange = { readonly least: number; readonly most?: number; readonly isWhole?: boolean };

/** A whole or decimal number on the command line; without a range here, the config checks it. @throws ConfigError */
export function numberOf(option: string, text: string, range?: NumberRange): number {
  const number = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (range === undefined ? !Number.isNaN(number) : isWithin(number, range)) return number;
  throw new ConfigError(`${option} must be ${range === undefined ? 'a number' : rangeText(range)}, received "${text}"`);
}

function isWithin(number: number, { least, most = Number.POSITIVE_INFINITY, isWhole = false }: NumberRange): boolean {
  return number >= least && number <= most && (!isWhole || Number.isSafeInteger(number));
}

function rangeText({ least, most, isWhole = false }: NumberRange): string {
  return `a ${isWhole ? 'whole ' : ''}number from ${least} ${most === undefined ? 'on' : `to ${most}`}`;
}

/** Unix milliseconds, or an ISO 8601 time with its zone. @throws ConfigError */
export function timeOf(option: string, text: string): number {
  const timeMs = /^-?\d+$/.test(text) ? Number(text) : isIsoTime(text) ? Date.parse(text) : Number.NaN;
  if (Math.abs(timeMs) <= eventTimeMaxMs) return timeMs;
  throw new ConfigError(`${option} must be Unix milliseconds or a time such as "2013-10-07T13:30:00Z", received "${text}"`);
}

/** Also whether the day is in the calendar: `Date.parse` takes February 31 for a day in March. */
function isIsoTime(text: string): boolean {
  const day = /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.exec(text)?.[1];
  return day !== undefined && !Number.isNaN(Date.parse(day)) && new Date(day).toISOString().startsWith(day);
}

/** The named file, else the one in this folder, else the one that comes with Tapeline. */
export async function loadConfig(file: string | undefined): Promise<TapelineConfig> {
  const path =
    file === undefined ? ([resolve(configName)].find(isFile) ?? join(packageFolder, `tapeline.config${ourEnding}`)) : resolve(file);
  if (!isFile(path)) throw new ConfigError(`config file "${file}" does not exist; give a path with --config or leave the option out`);
  const module = await imported(path, 'config file');
  if (module.default === undefined)
    throw new ConfigError(`config file "${path}" must export the config: export default defineTapeline({ … })`);
  return defineTapeline(module.default as TapelineConfig);
}

async function strategiesNamed(names: readonly string[], configured: readonly Strategy[]): Promise<readonly Strategy[]> {
  if (names.includes('none')) {
    if (names.length > 1) throw new ConfigError(`--strategy none stands alone, received "${names.join('", "')}"`);
    return [];
  }
  return Promise.all(names.map((name) => strategyNamed(name, configured)));
}

async function strategyNamed(name: string, configured: readonly Strategy[]): Promise<Strategy> {
  const isPath = /[/\\]|\.[cm]?[jt]s$/.test(name);
  const path = isPath ? resolve(name) : join(packageFolder, 'strategies', `${name}${ourEnding}`);
  const found = isPath ? undefined : configured.find((strategy) => strategy.name === name);
  if (found !== undefined) return found;
  if (!isFile(path)) {
    const known = [...new Set([...configured.map((strategy) => strategy.name), 'ema-cross', 'rsi-reversion', 'breakout', 'none'])];
    throw new ConfigError(
      isPath
        ? `strategy file "${name}" does not exist`
        : `there is no strategy "${name}"; did you mean "${nearestOf(name, known)}"? Known: ${known.join(', ')}, or the path of a strategy file`,
    );
  }
  const module = await imported(path, 'strategy file');
  if (module.default === undefined)
    throw new ConfigError(`strategy file "${name}" must export a strategy: export default defineStrategy('name', …)`);
  return module.default as Strategy;
}

async function imported(path: string, what: string): Promise<{ default?: unknown }> {
  try {
    return (await import(pathToFileURL(path).href)) as { default?: unknown };
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError(`${what} "${path}" cannot be loaded: ${firstLineOf(cause)}`, { cause });
  }
}

/** A parser draws the place below its message, over several lines. */
function firstLineOf(cause: unknown): string {
  const lines = (cause instanceof Error ? cause.message : String(cause)).split('\n').map((line) => line.trim());
  return lines.find((line) => line !== '') ?? 'it threw something without a message';
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
