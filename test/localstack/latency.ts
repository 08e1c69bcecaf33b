import { PutRecordCommand } from '@aws-sdk/client-kinesis';
import { encodePacked } from '../../adapters/frames/packed.ts';
import { hashKeyOf } from '../../core/bucket.ts';
import type { Pipeline } from '../../core/pipeline.ts';
import { Framer } from '../../core/framer.ts';
import type { Signal } from '../../core/signal.ts';
import { openFileSource } from '../../local/source.ts';
import type { Deployed } from './deployed.ts';
import type { Inbox } from './inbox.ts';
import type { TapeFold } from './tape-fold.ts';
import { until } from '../until.ts';

/** When the signals of one record were where, Unix ms. */
export type Sample = { readonly putMs: number; readonly committedMs: number; readonly publishedMs: number; readonly queuedMs: number };

export type LatencyOptions = {
  readonly file: string;
  readonly pipeline: Pipeline;
  readonly deployed: Deployed;
  readonly fold: TapeFold;
  readonly inbox: Inbox;
};

/**
 * Puts a market frame by frame, and waits for the signals of each before the next is put, so that the lines that the functions log belong to
 * it. The clocks are one: LocalStack's functions run on this machine.
 */
export async function measureLatency({ file, pipeline, deployed, fold, inbox }: LatencyOptions): Promise<Sample[]> {
  const startedMs = Date.now();
  const puts: { readonly putMs: number; readonly queuedMs: number }[] = [];
  for (const { partitionKey, hashKey, data } of await framesOf(file, pipeline)) {
    const putMs = Date.now();
    const { SequenceNumber = '', ShardId = '' } = await deployed.kinesis.send(
      new PutRecordCommand({ StreamName: deployed.output('TapeStream'), PartitionKey: partitionKey, ExplicitHashKey: hashKey, Data: data }),
    );
    const signals = fold.fold({ partitionKey, data, sequenceNumber: SequenceNumber, shardId: ShardId, arrivalTimeMs: putMs });
    if (signals.length > 0 && puts.length < samplesMax) puts.push({ putMs, queuedMs: await lastQueuedMs(inbox, signals) });
  }
  const committed = await timesOf(deployed, 'consume', /"batch folded".*"signals":[1-9]/, startedMs);
  const published = await timesOf(deployed, 'publish', /"signals published".*"published":[1-9]/, startedMs);
  return puts.flatMap(({ putMs, queuedMs }) => {
    const committedMs = committed.find((ms) => ms >= putMs);
    const publishedMs = published.find((ms) => ms >= putMs);
    return committedMs === undefined || publishedMs === undefined ? [] : [{ putMs, committedMs, publishedMs, queuedMs }];
  });
}

const samplesMax = 40;

/** Percentiles of the whole way and of its legs, and each leg's part of the mean. */
export function latencyReport(samples: readonly Sample[]): string {
  const legs: [string, (sample: Sample) => number][] = [
    ['put → committed', ({ putMs, committedMs }) => committedMs - putMs],
    ['committed → published', ({ committedMs, publishedMs }) => publishedMs - committedMs],
    ['published → in the queue', ({ publishedMs, queuedMs }) => queuedMs - publishedMs],
    ['put → published', ({ putMs, publishedMs }) => publishedMs - putMs],
    ['put → in the queue', ({ putMs, queuedMs }) => queuedMs - putMs],
  ];
  const meanOf = (leg: (sample: Sample) => number) => samples.reduce((sum, sample) => sum + leg(sample), 0) / samples.length;
  const whole = meanOf(({ putMs, queuedMs }) => queuedMs - putMs);
  const rows = legs.map(([name, leg]) => {
    const sorted = samples.map(leg).sort((a, b) => a - b);
    const percentile = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
    const cells = [percentile(0.5), percentile(0.99)].map((ms) => `${ms} ms`.padStart(9));
    return `${name.padEnd(26)}${cells.join('')}${`${Math.round((100 * meanOf(leg)) / whole)} %`.padStart(8)}`;
  });
  return [`${`${samples.length} records with signals`.padEnd(26)}      p50      p99   share`, ...rows].join('\n');
}

async function framesOf(
  path: string,
  { bucketCount, aheadMaxMs }: Pipeline,
): Promise<{ partitionKey: string; hashKey: string; data: Uint8Array }[]> {
  const frames: { partitionKey: string; hashKey: string; data: Uint8Array }[] = [];
  const framer = new Framer({
    bucketCount,
    aheadMaxMs,
    outOfOrdernessMs: 0,
    producerId: 'latency',
    emit: (frame) => {
      const hashKey = String(hashKeyOf(frame.bucket, bucketCount));
      frames.push({ partitionKey: String(frame.bucket), hashKey, data: encodePacked(frame) });
    },
  });
  const source = await openFileSource({ feed: 'ndjson', path });
  while (await source.next()) {
    framer.add(source.trades, Date.now());
    source.trades.clear();
    framer.flush();
  }
  framer.end();
  return frames;
}

async function lastQueuedMs({ deliveries }: Inbox, signals: readonly Signal[]): Promise<number> {
  const arrived = () => signals.flatMap(({ signalId }) => deliveries.get(signalId) ?? []);
  await until(`${signals.length} signals are in the queue`, () => arrived().length === signals.length, { everyMs: 10 });
  return Math.max(...arrived().map(({ queuedMs }) => queuedMs));
}

/** By the clock of the logger, which is finer than the service's. */
async function timesOf(deployed: Deployed, entry: 'consume' | 'publish', pattern: RegExp, sinceMs: number): Promise<number[]> {
  const lines = await deployed.logLines(entry, sinceMs - 1_000);
  const times = lines.filter((line) => pattern.test(line)).map((line) => Date.parse(/"timestamp":"([^"]+)"/.exec(line)?.[1] ?? ''));
  return times.sort((a, b) => a - b);
}
