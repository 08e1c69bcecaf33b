import { openInput } from '../adapters/feeds/input.ts';
import { decodeRecord } from '../adapters/frames/decode.ts';
import { SqliteTape } from '../adapters/tape/sqlite-tape.ts';
import { BucketState, emptyOutcome, type Outcome } from '../core/bucket-state.ts';
import { advance, type TapeRecord } from '../core/consume.ts';
import { type Frame, latestMsOf } from '../core/frame.ts';
import { Framer } from '../core/framer.ts';
import type { Pipeline } from '../core/pipeline.ts';
import type { Quarantined } from '../core/reasons.ts';
import { withoutLink } from '../core/signal.ts';
import { TradeBatch } from '../core/trade.ts';
import { FinalTable } from './final-table.ts';
import { filterFrame, filterTrades, type TradeFilter } from './filter.ts';
import { OutputFiles, type OutputFileOptions } from './output-files.ts';
import type { Progress } from './progress.ts';
import { Reader } from './reader.ts';
import { addedCounts, feedCountsOf } from './saved-source.ts';
import { openFileSource, type Source } from './source.ts';
import { type Digest, digestOf, type Summary, summaryOf } from './summary.ts';
import { tapePath } from './state-folder.ts';

export type ReplayOptions = {
  readonly pipeline: Pipeline;
  /** `tape` reads the log of a state folder, everything else the files. */
  readonly feed: string;
  readonly files: readonly string[];
  readonly stateFolder: string;
  readonly filter: TradeFilter;
  readonly outputs: OutputFileOptions;
  /** Whether the digests are wanted; they cost a sort of all bars. */
  readonly isDigestWanted: boolean;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
};

/** Folds recorded input as fast as it goes, through the same core as `run`. Memory does not grow with the input. */
export async function replay(options: ReplayOptions): Promise<Summary> {
  // Before an output is emptied, and before an hour is spent on the first file.
  if (options.feed !== 'tape') for (const path of options.files) await openInput(path);
  const fold = new Fold(options.pipeline);
  const outputs = new OutputFiles(options.outputs);
  const table = options.isDigestWanted ? new FinalTable() : undefined;
  const rejectedByReason: Record<string, number> = {};
  let feedCounts: Record<string, number> = {};
  try {
    const emit = async () => {
      const { outcome } = fold;
      outputs.write(outcome);
      if (table !== undefined) {
        for (const bar of outcome.bars) table.addBar(bar);
        for (const signal of outcome.signals) table.addSignal(withoutLink(signal));
      }
      fold.takeOutcome();
    };
    if (options.feed === 'tape') feedCounts = await replayTape(options, fold, emit, outputs, rejectedByReason);
    else feedCounts = await replayFiles(options, fold, emit, outputs, rejectedByReason);
    const digest: Digest | undefined = table && (await digestOf(table));
    return summaryOf({ states: fold.states.values(), feedCounts, rejectedByReason, seconds: options.progress.seconds, digest });
  } finally {
    options.progress.clear();
    outputs.close();
    table?.close();
  }
}

/** The state of every bucket in one place, each frame folded as the next record of its bucket. */
class Fold {
  readonly states = new Map<number, BucketState>();
  readonly #pipeline: Pipeline;
  outcome: Outcome = emptyOutcome();

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline;
  }

  advance(bucket: number, record: TapeRecord): void {
    let state = this.states.get(bucket);
    if (state === undefined) {
      state = new BucketState(this.#pipeline, bucket);
      this.states.set(bucket, state);
    }
    advance(state, [record], this.outcome);
  }

  takeOutcome(): void {
    this.outcome.bars.clear();
    this.outcome.signals.length = 0;
    this.outcome.late.length = 0;
    this.outcome.quarantined.length = 0;
  }
}

async function replayFiles(
  { pipeline, feed, files, filter, progress, signal }: ReplayOptions,
  fold: Fold,
  emit: () => Promise<void>,
  outputs: OutputFiles,
  rejectedByReason: Record<string, number>,
): Promise<Record<string, number>> {
  const trades = new TradeBatch();
  let feedCounts: Record<string, number> = {};
  let arrivalTimeMs = Date.now();
  let frameNumber = 0;
  const framer = new Framer({
    bucketCount: pipeline.bucketCount,
    producerId: 'replay',
    aheadMaxMs: pipeline.aheadMaxMs,
    outOfOrdernessMs: pipeline.outOfOrdernessMs,
    emit: (frame: Frame) =>
      fold.advance(frame.bucket, { sequenceNumber: String(++frameNumber), arrivalTimeMs, frames: [frame], rejected: [] }),
  });
  let tradeCount = 0;
  for (const path of files) {
    if (signal?.aborted) break;
    const source: Source = await openFileSource({ feed, path, trades });
    const reader = new Reader(source, signal);
    while ((await reader.next()) === 'read') {
      arrivalTimeMs = Date.now();
      filterTrades(trades, filter);
      tradeCount += trades.length;
      framer.add(trades, arrivalTimeMs);
      trades.clear();
      countRejected(source.quarantined.splice(0), outputs, rejectedByReason);
      await emit();
      progress.show({ trades: tradeCount, bytesRead: source.bytesRead, bytesTotal: source.bytesTotal });
    }
    source.stop();
    countRejected(source.quarantined.splice(0), outputs, rejectedByReason);
    feedCounts = addedCounts(feedCounts, source.counts);
  }
  framer.flush();
  framer.end();
  await emit();
  return feedCounts;
}

function countRejected(lines: readonly Quarantined[], outputs: OutputFiles, rejectedByReason: Record<string, number>): void {
  outputs.writeQuarantined(lines);
  for (const { reason } of lines) rejectedByReason[reason] = (rejectedByReason[reason] ?? 0) + 1;
}

const recordsAtOnce = { recordsMax: 1_000, bytesMax: 4 * 1024 * 1024 };

/** The log has the arrival times and the ends of inputs too, so this gives to the letter what `run` gave, and closes nothing that `run` has not. */
async function replayTape(
  { pipeline, stateFolder, filter, progress, signal }: ReplayOptions,
  fold: Fold,
  emit: () => Promise<void>,
  outputs: OutputFiles,
  rejectedByReason: Record<string, number>,
): Promise<Record<string, number>> {
  const tape = new SqliteTape(tapePath(stateFolder), { readOnly: true });
  try {
    for (const shardId of tape.shardIds()) {
      let after = '';
      while (!signal?.aborted) {
        const records = tape.read(shardId, after, recordsAtOnce);
        if (records.length === 0) break;
        for (const record of records) {
          const bucket = Number(record.partitionKey);
          const decoded = decodeRecord(record, bucket);
          const filtered = (frame: Frame) => filterFrame(frame, filter, latestMsOf(frame, record.arrivalTimeMs, pipeline.aheadMaxMs));
          fold.advance(bucket, { ...decoded, frames: decoded.frames.map(filtered) });
        }
        after = (records.at(-1) as { sequenceNumber: string }).sequenceNumber;
        await emit();
        progress.show({
          trades: [...fold.states.values()].reduce((sum, state) => sum + state.counts.trades, 0),
          bytesRead: 0,
          bytesTotal: undefined,
        });
      }
    }
    for (const line of tape.quarantined()) countRejected([line], outputs, rejectedByReason);
    await emit();
    return feedCountsOf(tape);
  } finally {
    tape.close();
  }
}
