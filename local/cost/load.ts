import { ConfigError } from '../../core/config-error.ts';
import type { DeploymentOptions, HistoryKind } from '../../core/config.ts';
import { cloudEndpointsOf, type Endpoint, queueArnsOf } from '../../core/delivery.ts';
import type { Pipeline } from '../../core/pipeline.ts';
import { flushEveryMs } from '../flush.ts';
import { measured } from './measured.ts';

/** What a deployment is given to do in a month, and in what shape. */
export type Load = {
  readonly tradesPerDay: number;
  readonly symbols: number;
  readonly hoursPerDay: number;
  readonly days: number;
  readonly shards: number | 'on-demand';
  readonly buckets: number;
  readonly history: HistoryKind;
  /** How long the feed gathers trades. */
  readonly flushEverySec: number;
  readonly windowSizesMs: readonly number[];
  readonly allowedLatenessMs: number;
  readonly strategies: number;
  readonly slotsPerSymbol: number;
  readonly webhooks: number;
  /** Of these, queues of SQS. */
  readonly queues: number;
  readonly isAlwaysOpen: boolean;
};

export type LoadOptions = {
  readonly pipeline: Pipeline;
  readonly deployment: DeploymentOptions;
  readonly deliver?: readonly Endpoint[];
  readonly tradesPerDay?: number | undefined;
  readonly gbPerDay?: number | undefined;
  readonly symbols?: number | undefined;
  readonly hoursPerDay?: number | undefined;
  readonly days?: number | undefined;
  readonly scale?: number | undefined;
  readonly shards?: number | 'on-demand' | undefined;
  readonly buckets?: number | undefined;
  readonly history?: HistoryKind | undefined;
  readonly flushEveryMs?: number | undefined;
};

/** A shard takes 1 MB a second; at its peak a market has this many times the trades of its average. */
const shardBytesPerSec = 1_000_000;
const peakFactor = 10;

/** What was not said is as the config has it, and grown with the load: more shards where the peak needs them, a bucket a shard at the least. */
export function loadOf(options: LoadOptions): Load {
  const { pipeline, deployment, deliver = [], scale = 1 } = options;
  const isAlwaysOpen = pipeline.calendar.name === 'always';
  const hoursPerDay = within('--hours-per-day', options.hoursPerDay ?? (isAlwaysOpen ? 24 : 6.5), 0.1, 24);
  const days = within('--days', options.days ?? (isAlwaysOpen ? 30 : 21), 1, 31);
  const tradesPerDay = within('--scale', scale, 0.001, 100_000) * tradesPerDayOf(options);
  const symbols = Math.ceil(scale * within('--symbols', options.symbols ?? 1_500, 1, 10_000_000));
  const shards = options.shards ?? shardsFor(deployment.shards, peakBytesPerSec(tradesPerDay));
  const buckets = options.buckets ?? Math.max(pipeline.bucketCount, shards === 'on-demand' ? 0 : shards);
  return {
    tradesPerDay,
    symbols,
    hoursPerDay,
    days,
    shards,
    buckets,
    history: options.history ?? deployment.history,
    flushEverySec: within('--flush-every', options.flushEveryMs ?? flushEveryMs.usual, flushEveryMs.least, flushEveryMs.most) / 1_000,
    windowSizesMs: pipeline.windowSizesMs,
    allowedLatenessMs: pipeline.allowedLatenessMs,
    strategies: pipeline.strategies.names.length,
    slotsPerSymbol: pipeline.strategies.slotsPerSymbol,
    webhooks: cloudEndpointsOf({ deliver }).length,
    queues: queueArnsOf({ deliver }).length,
    isAlwaysOpen,
  };
}

/** Of market data as feeds send it, in some 100 bytes a trade. */
function tradesPerDayOf({ tradesPerDay, gbPerDay }: LoadOptions): number {
  if (tradesPerDay !== undefined && gbPerDay !== undefined) throw new ConfigError('give --trades-per-day or --gb-per-day, received both');
  if (tradesPerDay !== undefined) return within('--trades-per-day', tradesPerDay, 1, 1e13);
  return (within('--gb-per-day', gbPerDay ?? 4, 0.0001, 1_000_000) * 1e9) / measured.rawTradeBytes;
}

/** The peak is ten times the average over all 24 hours of a day, however many of them the market is open. */
export function peakBytesPerSec(tradesPerDay: number): number {
  return (peakFactor * tradesPerDay * (measured.frameTradeBytes + measured.frameSymbolBytes)) / 86_400;
}

/** With a third to spare: buckets lie evenly in the shards, but some symbols have far more trades than others. */
function shardsFor(configured: Load['shards'], bytesPerSec: number): Load['shards'] {
  return configured === 'on-demand' ? configured : Math.max(configured, Math.ceil((bytesPerSec * 4) / 3 / shardBytesPerSec));
}

function within(option: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most) return value;
  throw new ConfigError(`${option} must be a number from ${least} to ${most}, received "${value}"`);
}
