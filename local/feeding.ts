import { encodePacked } from '../adapters/frames/packed.ts';
import type { NewRecord, SqliteTape, StoredRecord } from '../adapters/tape/sqlite-tape.ts';
import { Framer, type FramerSnapshot } from '../core/framer.ts';
import type { Pipeline } from '../core/pipeline.ts';
import type { Quarantined } from '../core/reasons.ts';
import { filterTrades, type TradeFilter } from './filter.ts';
import { Reader } from './reader.ts';
import { framerSource, savedSource, type SavedSource } from './saved-source.ts';
import type { Source } from './source.ts';

/** How far a feed has been read. */
export type FedNow = {
  /** Read by this process and not filtered away. */
  readonly trades: number;
  readonly greatestEventTimeMs: number;
  readonly bytesRead: number;
  readonly bytesTotal: number | undefined;
};

export type FeedingOptions = {
  readonly pipeline: Pick<Pipeline, 'bucketCount' | 'aheadMaxMs' | 'outOfOrdernessMs'>;
  /** Remembers how far each source was read, and what the framer knows, in the transaction that takes the frames. */
  readonly tape: SqliteTape;
  readonly shardId: string;
  readonly producerId: string;
  readonly filter: TradeFilter;
  /** What was read goes to the tape after this long, or after `commitTrades` trades. */
  readonly commitEveryMs: number;
  /** Before the tape takes these lines, after which they are never read again; must take repeats. */
  readonly takeQuarantined: (lines: readonly Quarantined[]) => Promise<void>;
  /** After each commit, of nothing too: what the tape has now, in order. */
  readonly onCommitted: (records: readonly StoredRecord[], now: FedNow) => Promise<void>;
  readonly signal: AbortSignal;
};

export type Fed = { readonly hasEnded: boolean; readonly trades: number; readonly wasReadBefore: boolean };

const commitTrades = 65_536;
/** A live feed counts as on time, and so its clock as its event time when it goes silent, if its trades are at most this old. */
const liveLagMaxMs = 10_000;

/** Reads a source to its end, or to Ctrl-C: trades become frames, and frames go to the tape together with how far the source was read. */
export class Feeding {
  readonly #options: FeedingOptions;
  readonly #framer: Framer;
  readonly #pending: NewRecord[] = [];
  /** Of the last trade, or of the clock that stood in for it. */
  #arrivalTimeMs = Date.now();
  #trades = 0;
  #uncommitted = 0;
  #committedMs = performance.now();

  constructor(options: FeedingOptions) {
    const { pipeline, tape, producerId, shardId } = options;
    this.#options = options;
    const saved = tape.sourceState(framerSource);
    this.#framer = new Framer({
      bucketCount: pipeline.bucketCount,
      producerId,
      aheadMaxMs: pipeline.aheadMaxMs,
      outOfOrdernessMs: pipeline.outOfOrdernessMs,
      emit: (frame) =>
        this.#pending.push({ shardId, partitionKey: String(frame.bucket), arrivalTimeMs: this.#arrivalTimeMs, data: encodePacked(frame) }),
      ...(saved === undefined ? {} : { from: JSON.parse(saved) as FramerSnapshot }),
    });
  }

  async readAll(source: Source): Promise<Fed> {
    const { signal, commitEveryMs } = this.#options;
    const before = savedSource(this.#options.tape, source.name);
    const reader = new Reader(source, signal);
    let hasEnded = false;
    while (!hasEnded) {
      const read = await reader.next(source.isLive ? commitEveryMs : undefined);
      if (read === 'interrupted') break;
      if (read === 'silent') {
        this.#hearSilence(source);
        await this.#commit(source, false);
        continue;
      }
      this.#take(source);
      hasEnded = read === 'over';
      const isDue = this.#uncommitted >= commitTrades || performance.now() - this.#committedMs >= commitEveryMs;
      if (!isDue || hasEnded) continue;
      // Lines that are no wanted trades are a silence too.
      this.#hearSilence(source);
      await this.#commit(source, false);
    }
    source.stop();
    const isNew = this.#trades > 0 || !(before?.hasEnded ?? false);
    await this.#commit(source, hasEnded, hasEnded && isNew);
    return { hasEnded, trades: this.#trades, wasReadBefore: before !== undefined };
  }

  #take({ trades }: Source): void {
    filterTrades(trades, this.#options.filter);
    if (trades.length === 0) return;
    this.#arrivalTimeMs = Date.now();
    this.#trades += trades.length;
    this.#uncommitted += trades.length;
    this.#framer.add(trades, this.#arrivalTimeMs);
    trades.clear();
  }

  /** Makes what was read durable, together with how far it was read. */
  async #commit(source: Source, hasEnded: boolean, isEndTold = false): Promise<void> {
    const { tape, takeQuarantined, onCommitted } = this.#options;
    // A read that nobody waited for, as after Ctrl-C, may be over all the same: then the source says that it was read.
    this.#take(source);
    const quarantined = source.quarantined.splice(0);
    let appended: readonly StoredRecord[] = [];
    this.#framer.flush();
    if (isEndTold) this.#framer.end();
    if (this.#pending.length > 0 || quarantined.length > 0 || hasEnded) {
      const saved: SavedSource = { source: source.snapshot(), counts: source.counts, hasEnded };
      const sources = [
        { source: source.name, state: JSON.stringify(saved) },
        { source: framerSource, state: JSON.stringify(this.#framer.snapshot()) },
      ];
      if (quarantined.length > 0) await takeQuarantined(quarantined);
      appended = tape.append(this.#pending, sources, quarantined);
      this.#pending.length = 0;
    }
    this.#uncommitted = 0;
    await onCommitted(appended, {
      trades: this.#trades,
      greatestEventTimeMs: this.#framer.greatestEventTimeMs,
      bytesRead: source.bytesRead,
      bytesTotal: source.bytesTotal,
    });
    this.#committedMs = performance.now();
  }

  /** A feed that was on time and now says nothing: time goes on, so bars close without waiting for the next trade. */
  #hearSilence({ isLive }: Source): void {
    const { greatestEventTimeMs } = this.#framer;
    const silenceMs = Date.now() - this.#arrivalTimeMs;
    if (!isLive || this.#arrivalTimeMs - greatestEventTimeMs > liveLagMaxMs || silenceMs < this.#options.pipeline.outOfOrdernessMs) return;
    this.#arrivalTimeMs = Date.now();
    this.#framer.heartbeat(greatestEventTimeMs + silenceMs);
  }
}
