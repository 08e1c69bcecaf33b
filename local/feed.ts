import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { KinesisClient } from '../adapters/tape/kinesis-client.ts';
import { checkBuckets, openStream, type Stream } from '../adapters/tape/kinesis-stream.ts';
import { KinesisWriter, type WriterNow } from '../adapters/tape/kinesis-writer.ts';
import { SqliteTape } from '../adapters/tape/sqlite-tape.ts';
import { ConfigError } from '../core/config.ts';
import type { FramerSnapshot } from '../core/framer.ts';
import type { Pipeline } from '../core/pipeline.ts';
import type { Quarantined } from '../core/reasons.ts';
import { type FedNow, Feeding } from './feeding.ts';
import type { TradeFilter } from './filter.ts';
import { feedCountsOf, framerSource, savedSource } from './saved-source.ts';
import { makeStateFolder } from './state-folder.ts';
import type { Source } from './source.ts';

export type FeedNow = FedNow & WriterNow;

export type FeedOptions = {
  readonly pipeline: Pick<Pipeline, 'bucketCount' | 'aheadMaxMs' | 'outOfOrdernessMs'>;
  readonly client: KinesisClient;
  readonly streamName: string;
  readonly stateFolder: string;
  /** Opened with the state that the outgoing log remembers of it. */
  readonly openSource: (stateOf: (name: string) => string | undefined) => Promise<Source>;
  readonly filter: TradeFilter;
  /** What was read goes out after this long, or after 65,536 trades. */
  readonly flushEveryMs: number;
  readonly takeQuarantined: (lines: readonly Quarantined[]) => void;
  readonly onProgress: (now: FeedNow) => void;
  /** Aborted by Ctrl-C: what was read goes out, and the feed ends. */
  readonly signal: AbortSignal;
  /** How long Ctrl-C waits for the stream to take what was read. @default 5,000 */
  readonly lastDrainMs?: number;
};

export type FeedSummary = {
  readonly stream: string;
  readonly producerId: string;
  /** Read and not filtered away, by this process. */
  readonly trades: number;
  /** Stored in the stream by this process, those included that an earlier one had left. */
  readonly frames: number;
  readonly bytes: number;
  readonly calls: number;
  /** How often a frame had to be put again, by what the service said. */
  readonly retries: Readonly<Record<string, number>>;
  /** Left on the outgoing log for the next time. */
  readonly waiting: { readonly frames: number; readonly bytes: number };
  /** Of all inputs that the state folder knows. */
  readonly quarantined: { readonly total: number; readonly byReason: Readonly<Record<string, number>> };
  readonly feed: Readonly<Record<string, number>>;
  readonly lastEventTimeMs: number | null;
  readonly seconds: number;
};

export type FeedResult = { readonly summary: FeedSummary; readonly hasEnded: boolean; readonly hadNothingNew: boolean };

/** Who this state folder is to the stream: all its frames are numbered under one name. */
type Producer = { readonly producerId: string; readonly streamArn: string; readonly streamCreatedMs: number };

const producerSource = 'producer';
const shardId = 'outgoing';
const progressEveryMs = 200;
const everything = { recordsMax: Number.MAX_SAFE_INTEGER, bytesMax: Number.MAX_SAFE_INTEGER };

/**
 * Puts a feed into a stream: feed → frames → outgoing log → stream. A frame is taken off the log when the stream has said that it is stored,
 * so whatever ends this, the next start puts what is left on the log, then reads on. A frame that was stored and not taken off comes twice,
 * under the same number, which the consumer skips.
 */
export async function feed(options: FeedOptions): Promise<FeedResult> {
  const { pipeline, client, streamName, stateFolder, filter, flushEveryMs, signal, lastDrainMs = 5_000 } = options;
  const startedMs = performance.now();
  const stream = await openStream(client, streamName);
  makeStateFolder(stateFolder);
  const log = new SqliteTape(join(stateFolder, 'outgoing.sqlite'), { isExclusive: true });
  const writer = new KinesisWriter({ client, streamName, bucketCount: pipeline.bucketCount });
  let fed: FedNow = { trades: 0, greatestEventTimeMs: Number.NEGATIVE_INFINITY, bytesRead: 0, bytesTotal: undefined };
  const progress = setInterval(() => options.onProgress({ ...fed, ...writer.now }), progressEveryMs);
  try {
    const { producerId } = producerFor(log, stream, stateFolder);
    checkSavedBuckets(log, pipeline.bucketCount, stateFolder);
    await checkBuckets(client, stream, pipeline.bucketCount);
    const feeding = new Feeding({
      pipeline,
      tape: log,
      shardId,
      producerId,
      filter,
      commitEveryMs: flushEveryMs,
      takeQuarantined: async (lines) => options.takeQuarantined(lines),
      onCommitted: async (records, now) => {
        fed = now;
        log.remove(writer.takeStored());
        await writer.write(records, signal);
      },
      signal,
    });
    const source = await options.openSource((name) => savedSource(log, name)?.source);
    await writer.write(log.read(shardId, '', everything), signal);
    const { hasEnded, trades, wasReadBefore } = await feeding.readAll(source);
    await writer.drain(signal);
    if (signal.aborted) await writer.drain(AbortSignal.timeout(lastDrainMs));
    const summary = summaryOf({ stream, producerId, log, fed, writer: writer.now, seconds: (performance.now() - startedMs) / 1000 });
    return { summary, hasEnded: hasEnded && summary.waiting.frames === 0, hadNothingNew: trades === 0 && wasReadBefore };
  } finally {
    clearInterval(progress);
    writer.close();
    log.remove(writer.takeStored());
    log.close();
  }
}

/**
 * The name under which this state folder numbers its frames: a new folder has a new one, or the consumer would take its frames for repeats.
 * @throws ConfigError when the folder belongs to another stream
 */
function producerFor(log: SqliteTape, { name, arn, createdMs }: Stream, stateFolder: string): Producer {
  const saved = log.sourceState(producerSource);
  if (saved === undefined) {
    const producer: Producer = { producerId: `feed-${randomBytes(6).toString('hex')}`, streamArn: arn, streamCreatedMs: createdMs };
    log.append([], [{ source: producerSource, state: JSON.stringify(producer) }], []);
    return producer;
  }
  const producer = JSON.parse(saved) as Producer;
  if (producer.streamArn === arn && producer.streamCreatedMs === createdMs) return producer;
  const what =
    producer.streamArn === arn
      ? `the stream "${name}" was made anew on ${new Date(createdMs).toISOString()}, and the feed of`
      : `the stream is "${arn}", and the feed of`;
  throw new ConfigError(
    `${what} "${stateFolder}" went to ${producer.streamArn} of ${new Date(producer.streamCreatedMs).toISOString()}; give another --state to feed it from the start`,
  );
}

function checkSavedBuckets(log: SqliteTape, bucketCount: number, stateFolder: string): void {
  const saved = log.sourceState(framerSource);
  const written = saved === undefined ? bucketCount : (JSON.parse(saved) as FramerSnapshot).sequences.length;
  if (written === bucketCount) return;
  throw new ConfigError(
    `the feed of "${stateFolder}" writes ${written} buckets, and the config has ${bucketCount}; the number is fixed for the life of a stream`,
  );
}

type SummaryInput = {
  readonly stream: Stream;
  readonly producerId: string;
  readonly log: SqliteTape;
  readonly fed: FedNow;
  readonly writer: WriterNow;
  readonly seconds: number;
};

function summaryOf({ stream, producerId, log, fed, writer, seconds }: SummaryInput): FeedSummary {
  const byReason = log.quarantinedByReason();
  return {
    stream: stream.name,
    producerId,
    trades: fed.trades,
    frames: writer.frames,
    bytes: writer.bytes,
    calls: writer.calls,
    retries: writer.failures,
    waiting: { frames: writer.waitingFrames, bytes: writer.waitingBytes },
    quarantined: { total: Object.values(byReason).reduce((sum, count) => sum + count, 0), byReason },
    feed: feedCountsOf(log),
    lastEventTimeMs: Number.isFinite(fed.greatestEventTimeMs) ? fed.greatestEventTimeMs : null,
    seconds: Math.round(seconds * 1000) / 1000,
  };
}
