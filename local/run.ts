import { mkdirSync } from 'node:fs';
import { encodePacked } from '../adapters/frames/packed.ts';
import { openDuckDbHistory } from '../adapters/history/duckdb.ts';
import type { History } from '../adapters/history/history.ts';
import { SqliteCheckpoints } from '../adapters/stores/sqlite.ts';
import { unpackState } from '../adapters/stores/state-bytes.ts';
import { type NewRecord, SqliteTape } from '../adapters/tape/sqlite-tape.ts';
import type { BucketState } from '../core/bucket-state.ts';
import { isAfter } from '../core/consume.ts';
import { Framer, type FramerSnapshot } from '../core/framer.ts';
import type { Pipeline } from '../core/pipeline.ts';
import type { Quarantined } from '../core/reasons.ts';
import type { Signal } from '../core/signal.ts';
import { restore } from '../core/snapshot.ts';
import { makeConsumer } from '../lambdas/consume-kinesis.ts';
import { Driver } from './driver.ts';
import { filterTrades, type TradeFilter } from './filter.ts';
import { serveQueries } from './query.ts';
import { Reader } from './reader.ts';
import { feedCountsOf, framerSource, savedSource, type SavedSource } from './saved-source.ts';
import type { Source } from './source.ts';
import { checkpointsPath, historyPath, tapePath } from './state-folder.ts';
import { digestOf, type Summary, summaryOf } from './summary.ts';

/** What a watcher of a running pipeline is told now and then. */
export type RunNow = {
  readonly trades: number;
  readonly bars: number;
  readonly late: number;
  readonly quarantined: number;
  readonly signals: readonly Signal[];
  readonly greatestEventTimeMs: number;
  readonly bytesRead: number;
  readonly bytesTotal: number | undefined;
};

export type RunOptions = {
  readonly pipeline: Pipeline;
  readonly stateFolder: string;
  /** Opened with the state that the tape remembers of it. */
  readonly openSource: (stateOf: (name: string) => string | undefined) => Promise<Source>;
  readonly filter: TradeFilter;
  readonly isDigestWanted: boolean;
  readonly onProgress: (now: RunNow) => void;
  /** Aborted by Ctrl-C: the run saves what it has read and ends. */
  readonly signal: AbortSignal;
};

export type RunResult = { readonly summary: Summary; readonly hasEnded: boolean; readonly hadNothingNew: boolean };

/** A tumbling window of the consumer, by arrival; on the laptop as in the cloud. */
const consumerWindowMs = 60_000;
/** What has been read goes to the tape after this many trades or this long, whichever is first. */
const commitTrades = 65_536;
const commitEveryMs = 100;
/** A live feed counts as on time, and so its clock as its event time when it goes silent, if its trades are at most this old. */
const liveLagMaxMs = 10_000;
const shardId = 'shardId-000000000000';

/**
 * The whole way on this machine: feed → frames → durable log → driver → the handler that Lambda runs → checkpoints and outbox →
 * history. Whatever ends it, the next run with the same state folder goes on as if nothing had been.
 */
export async function run(options: RunOptions): Promise<RunResult> {
  mkdirSync(options.stateFolder, { recursive: true });
  const startedMs = performance.now();
  const checkpoints = new SqliteCheckpoints(checkpointsPath(options.stateFolder));
  const tape = new SqliteTape(tapePath(options.stateFolder));
  const history = await openDuckDbHistory(historyPath(options.stateFolder));
  const queries = await serveQueries(history, options.stateFolder);
  try {
    const states = await loadStates(options.pipeline, checkpoints);
    const pipe = new Pipe(options, tape, history, checkpoints, startPosition(options.pipeline, states));
    const source = await options.openSource((name) => savedSource(tape, name)?.source);
    const before = savedSource(tape, source.name);
    const { hasEnded, tradesRead } = await pipe.readAll(source, before?.hasEnded ?? false);
    const endStates = await loadStates(options.pipeline, checkpoints);
    const digest = options.isDigestWanted ? await digestOf(history) : undefined;
    const summary = summaryOf({
      states: endStates.map(({ state }) => state),
      feedCounts: feedCountsOf(tape),
      rejectedByReason: tape.quarantinedByReason(),
      seconds: (performance.now() - startedMs) / 1000,
      digest,
    });
    return { summary, hasEnded, hadNothingNew: tradesRead === 0 && before !== undefined };
  } finally {
    await queries();
    await history.close();
    tape.close();
    checkpoints.close();
  }
}

/** One run's moving parts: what is read is framed, appended, folded and published, in this order, again and again. */
class Pipe {
  readonly #options: RunOptions;
  readonly #tape: SqliteTape;
  readonly #history: History;
  readonly #checkpoints: SqliteCheckpoints;
  readonly #driver: Driver;
  readonly #framer: Framer;
  readonly #pending: NewRecord[] = [];
  readonly #signals: Signal[] = [];
  #arrivalTimeMs = Date.now();
  #tradesRead = 0;
  #uncommitted = 0;
  #committedMs = performance.now();
  #counts = { bars: 0, late: 0, quarantined: 0 };

  constructor(options: RunOptions, tape: SqliteTape, history: History, checkpoints: SqliteCheckpoints, startAfter: string) {
    const { pipeline } = options;
    this.#options = options;
    this.#tape = tape;
    this.#history = history;
    this.#checkpoints = checkpoints;
    const handler = makeConsumer({ pipeline, checkpoints, history: this.#counted(history) });
    this.#driver = new Driver({ tape, handler, startAfter, windowSizeMs: consumerWindowMs });
    const saved = tape.sourceState(framerSource);
    this.#framer = new Framer({
      bucketCount: pipeline.bucketCount,
      producerId: 'local',
      aheadMaxMs: pipeline.aheadMaxMs,
      emit: (frame) =>
        this.#pending.push({ shardId, partitionKey: String(frame.bucket), arrivalTimeMs: this.#arrivalTimeMs, data: encodePacked(frame) }),
      ...(saved === undefined ? {} : { from: JSON.parse(saved) as FramerSnapshot }),
    });
  }

  async readAll(source: Source, hadEnded: boolean): Promise<{ hasEnded: boolean; tradesRead: number }> {
    const { signal, filter } = this.#options;
    const reader = new Reader(source, signal);
    await this.#consume();
    let hasEnded = false;
    while (!hasEnded) {
      const read = await reader.next(source.isLive ? commitEveryMs : undefined);
      if (read === 'interrupted') break;
      if (read === 'silent') {
        this.#hearSilence(source);
        await this.#commit(source, false);
        continue;
      }
      this.#arrivalTimeMs = Date.now();
      filterTrades(source.trades, filter);
      this.#tradesRead += source.trades.length;
      this.#uncommitted += source.trades.length;
      this.#framer.add(source.trades, this.#arrivalTimeMs);
      source.trades.clear();
      hasEnded = read === 'over';
      const isDue = this.#uncommitted >= commitTrades || performance.now() - this.#committedMs >= commitEveryMs;
      if (isDue && !hasEnded) await this.#commit(source, false);
    }
    source.stop();
    const isNew = this.#tradesRead > 0 || !hadEnded;
    await this.#commit(source, hasEnded, hasEnded && isNew);
    await this.#driver.close();
    await this.#publish();
    return { hasEnded, tradesRead: this.#tradesRead };
  }

  /** Makes what was read durable, together with how far it was read, then folds it. */
  async #commit(source: Source, hasEnded: boolean, isEndTold = false): Promise<void> {
    // A read may be under way: what it brings is of the next commit.
    const quarantined = source.quarantined.splice(0);
    this.#framer.flush();
    if (isEndTold) this.#framer.end();
    if (this.#pending.length > 0 || quarantined.length > 0 || hasEnded) {
      const saved: SavedSource = { source: source.snapshot(), counts: source.counts, hasEnded };
      const sources = [
        { source: source.name, state: JSON.stringify(saved) },
        { source: framerSource, state: JSON.stringify(this.#framer.snapshot()) },
      ];
      // The history takes repeats. After the tape has them, these lines are never read again.
      if (quarantined.length > 0) await this.#history.writeQuarantined(quarantined);
      this.#tape.append(this.#pending, sources, quarantined);
      this.#counts.quarantined += quarantined.length;
      this.#pending.length = 0;
    }
    this.#uncommitted = 0;
    await this.#consume();
    this.#committedMs = performance.now();
    this.#options.onProgress({
      trades: this.#tradesRead,
      ...this.#counts,
      signals: this.#signals,
      greatestEventTimeMs: this.#framer.greatestEventTimeMs,
      bytesRead: source.bytesRead,
      bytesTotal: source.bytesTotal,
    });
  }

  async #consume(): Promise<void> {
    await this.#driver.pump();
    await this.#driver.tick(Date.now());
    await this.#publish();
  }

  async #publish(): Promise<void> {
    for (;;) {
      const items = await this.#checkpoints.readOutbox(100);
      if (items.length === 0) return;
      const signals = items.flatMap((item) => item.signals);
      await this.#history.writeSignals(signals);
      await this.#checkpoints.removeFromOutbox(items);
      this.#signals.push(...signals);
      this.#signals.splice(0, this.#signals.length - signalsShown);
    }
  }

  /** A feed that was on time and now says nothing: time goes on, so bars close without waiting for the next trade. */
  #hearSilence({ isLive }: Source): void {
    const { greatestEventTimeMs } = this.#framer;
    const silenceMs = Date.now() - this.#arrivalTimeMs;
    if (!isLive || this.#arrivalTimeMs - greatestEventTimeMs > liveLagMaxMs || silenceMs < this.#options.pipeline.outOfOrdernessMs) return;
    this.#arrivalTimeMs = Date.now();
    this.#framer.heartbeat(greatestEventTimeMs + silenceMs);
  }

  #counted(history: History): Pick<History, 'writeBars' | 'writeLate' | 'writeQuarantined'> {
    return {
      writeBars: (bars) => {
        this.#counts.bars += bars.length;
        return history.writeBars(bars);
      },
      writeLate: (late) => {
        this.#counts.late += late.length;
        return history.writeLate(late);
      },
      writeQuarantined: (quarantined: readonly Quarantined[]) => {
        this.#counts.quarantined += quarantined.length;
        return history.writeQuarantined(quarantined);
      },
    };
  }
}

const signalsShown = 50;

type LoadedState = { readonly bucket: number; readonly sequenceNumber: string; readonly state: BucketState };

/** @throws StateUnreadable before anything is consumed with it. */
async function loadStates(pipeline: Pipeline, checkpoints: SqliteCheckpoints): Promise<LoadedState[]> {
  const loaded = await checkpoints.load(Array.from({ length: pipeline.bucketCount }, (_, bucket) => bucket));
  return loaded.map(({ bucket, sequenceNumber, state }) => ({ bucket, sequenceNumber, state: restore(pipeline, unpackState(state)) }));
}

/** What every bucket has saved; the buckets that have saved more skip what they know. */
function startPosition({ bucketCount }: Pipeline, states: readonly LoadedState[]): string {
  if (states.length < bucketCount) return '';
  return states.reduce(
    (least, { sequenceNumber }) => (isAfter(least, sequenceNumber) ? sequenceNumber : least),
    states[0]?.sequenceNumber ?? '',
  );
}
