import type { DeliveryEvent } from '../adapters/delivery/events.ts';
import { openDuckDbHistory } from '../adapters/history/duckdb.ts';
import type { History } from '../adapters/history/history.ts';
import { SqliteCheckpoints } from '../adapters/stores/sqlite.ts';
import { unpackState } from '../adapters/stores/state-bytes.ts';
import type { TapeReader } from '../adapters/tape/sqlite-tape.ts';
import type { BucketState } from '../core/bucket-state.ts';
import type { Endpoint } from '../core/delivery.ts';
import type { Pipeline } from '../core/pipeline.ts';
import type { Quarantined } from '../core/reasons.ts';
import type { Signal } from '../core/signal.ts';
import { restore } from '../core/snapshot.ts';
import { CombinedWatermark } from '../core/watermark.ts';
import { makeConsumer } from '../lambdas/consume-kinesis.ts';
import { Delivering, type Undelivered } from './delivering.ts';
import { Driver } from './driver.ts';
import { serveQueries } from './query.ts';
import type { EventServer } from './serve.ts';
import type { ServeAddress } from './serve-address.ts';
import { checkpointsPath, historyPath, tapePath } from './state-folder.ts';
import { digestOf, type Summary, summaryOf } from './summary.ts';

/** What came out since the start, and the last signals. */
export type ConsumedNow = {
  /** Folded, duplicates included. */
  readonly folded: number;
  /** Of all buckets as one; -Infinity before each has one. */
  readonly watermarkMs: number;
  readonly bars: number;
  readonly late: number;
  readonly quarantined: number;
  readonly signals: readonly Signal[];
};

/** A tumbling window of the consumer, by arrival; on the laptop as in the cloud. */
const consumerWindowMs = 60_000;
const signalsShown = 50;

/** The second half of the way, on this machine: tape → driver → the handler that Lambda runs → checkpoints and outbox → history, deliveries. */
export class Consuming {
  /** The position that each bucket has saved; none for a bucket that never had a record. */
  readonly positions: ReadonlyMap<number, string>;
  readonly #pipeline: Pipeline;
  readonly #checkpoints: SqliteCheckpoints;
  readonly #history: History;
  readonly #delivering: Delivering | undefined;
  readonly #stopQueries: () => Promise<void>;
  readonly #startedMs = performance.now();
  readonly #signals: Signal[] = [];
  readonly #watermark: CombinedWatermark;
  #counts = { folded: 0, bars: 0, late: 0, quarantined: 0 };
  #driver: Driver | undefined;
  #server: EventServer | undefined;

  private constructor(
    pipeline: Pipeline,
    checkpoints: SqliteCheckpoints,
    history: History,
    delivering: Delivering | undefined,
    stopQueries: () => Promise<void>,
    loaded: readonly LoadedState[],
  ) {
    this.#pipeline = pipeline;
    this.#checkpoints = checkpoints;
    this.#history = history;
    this.#delivering = delivering;
    this.#stopQueries = stopQueries;
    this.positions = new Map(loaded.map(({ bucket, sequenceNumber }) => [bucket, sequenceNumber]));
    this.#watermark = new CombinedWatermark(pipeline.bucketCount);
    for (const { bucket, state } of loaded) this.#watermark.advance(bucket, state.watermarkMs);
  }

  /** @throws StateInUse, and StateUnreadable before anything is consumed */
  static async open(
    pipeline: Pipeline,
    stateFolder: string,
    endpoints: readonly Endpoint[],
    onDelivery?: (event: DeliveryEvent) => void,
  ): Promise<Consuming> {
    const checkpoints = new SqliteCheckpoints(checkpointsPath(stateFolder));
    const history = await openDuckDbHistory(historyPath(stateFolder), { tape: tapePath(stateFolder) });
    const stopQueries = await serveQueries(history, stateFolder);
    try {
      const loaded = await loadStates(pipeline, checkpoints);
      const delivering = endpoints.length === 0 ? undefined : await Delivering.open(endpoints, stateFolder, onDelivery);
      return new Consuming(pipeline, checkpoints, history, delivering, stopQueries, loaded);
    } catch (error) {
      await stopQueries();
      await history.close();
      checkpoints.close();
      throw error;
    }
  }

  get now(): ConsumedNow {
    return { ...this.#counts, watermarkMs: this.#watermark.watermarkMs, signals: this.#signals };
  }

  /** Serves bars and signals from now on. @returns where */
  async serve(address: ServeAddress): Promise<string> {
    const { serveEvents } = await import('./serve.ts');
    this.#server = await serveEvents({ ...address, query: (sql) => this.#history.query(sql) });
    return this.#server.url;
  }

  /** Hands over what a tape has now, and ends windows by the clock. A reader of the tape is to begin behind `startAfter` in each shard. */
  async consume(tape: TapeReader, startAfter: string): Promise<void> {
    this.#driver ??= this.#driverOf(tape, startAfter);
    await this.#driver.pump();
    await this.#driver.tick(Date.now());
    await this.#publish();
  }

  /** Saves all that was folded. */
  async save(): Promise<void> {
    await this.#driver?.close();
    await this.#publish();
  }

  takeQuarantined = async (lines: readonly Quarantined[]): Promise<void> => {
    this.#counts.quarantined += lines.length;
    await this.#history.writeQuarantined(lines);
  };

  async states(): Promise<BucketState[]> {
    return (await loadStates(this.#pipeline, this.#checkpoints)).map(({ state }) => state);
  }

  /** Over all that the state folder holds. */
  async summary(
    feed: { readonly counts: Readonly<Record<string, number>>; readonly rejectedByReason: Readonly<Record<string, number>> },
    isDigestWanted: boolean,
  ): Promise<Summary> {
    return summaryOf({
      states: await this.states(),
      feedCounts: feed.counts,
      rejectedByReason: feed.rejectedByReason,
      digest: isDigestWanted ? await digestOf(this.#history) : undefined,
      seconds: (performance.now() - this.#startedMs) / 1000,
    });
  }

  /** How many signals are still to be delivered. */
  async undelivered(): Promise<number> {
    return (await this.#delivering?.pending()) ?? 0;
  }

  /** Delivers until nothing is due any more, or Ctrl-C. @returns the endpoints for which something is left */
  async deliverRest(signal: AbortSignal): Promise<Undelivered[]> {
    return (await this.#delivering?.finish(signal)) ?? [];
  }

  async close(): Promise<void> {
    await this.#server?.close();
    await this.#delivering?.close();
    await this.#stopQueries();
    await this.#history.close();
    this.#checkpoints.close();
  }

  #driverOf(tape: TapeReader, startAfter: string): Driver {
    const handler = makeConsumer({
      pipeline: this.#pipeline,
      checkpoints: this.#checkpoints,
      history: this.#countedHistory(),
      report: ({ trades, watermarksMs }) => {
        this.#counts.folded += trades;
        for (const [bucket, watermarkMs] of watermarksMs) this.#watermark.advance(bucket, watermarkMs);
      },
    });
    return new Driver({ tape, handler, startAfter, windowSizeMs: consumerWindowMs });
  }

  async #publish(): Promise<void> {
    // What has stopped the delivering ends the run now, and not with the next signal.
    await this.#delivering?.offer([]);
    for (;;) {
      const items = await this.#checkpoints.readOutbox(100);
      if (items.length === 0) break;
      const signals = items.flatMap((item) => item.signals);
      await this.#history.writeSignals(signals);
      await this.#delivering?.offer(signals);
      await this.#checkpoints.removeFromOutbox(items);
      this.#signals.push(...signals);
      this.#signals.splice(0, this.#signals.length - signalsShown);
    }
    this.#server?.tell(this.#counts);
  }

  #countedHistory(): Pick<History, 'writeBars' | 'writeLate' | 'writeQuarantined'> {
    return {
      writeBars: (bars) => {
        this.#counts.bars += bars.length;
        return this.#history.writeBars(bars);
      },
      writeLate: (late) => {
        this.#counts.late += late.length;
        return this.#history.writeLate(late);
      },
      writeQuarantined: this.takeQuarantined,
    };
  }
}

type LoadedState = { readonly bucket: number; readonly sequenceNumber: string; readonly state: BucketState };

async function loadStates(pipeline: Pipeline, checkpoints: SqliteCheckpoints): Promise<LoadedState[]> {
  const loaded = await checkpoints.load(Array.from({ length: pipeline.bucketCount }, (_, bucket) => bucket));
  return loaded.map(({ bucket, sequenceNumber, state }) => ({ bucket, sequenceNumber, state: restore(pipeline, unpackState(state)) }));
}
