import { bucketOf } from './bucket.ts';
import { endFlag, type Frame, FrameBuilder } from './frame.ts';
import type { TradeBatch } from './trade.ts';

export type FramerOptions = {
  readonly bucketCount: number;
  readonly producerId: string;
  /** A trade this far beyond its arrival goes into a frame of such trades, which the consumer quarantines, and tells no bucket the time. */
  readonly aheadMaxMs: number;
  /** At most the pipeline's: a trade that is no further behind the feed than this finds its window open, whatever its bucket knows. */
  readonly outOfOrdernessMs: number;
  /** @default 16,384, so that no frame is above 1 MiB: 32 bytes an entry, and the texts */
  readonly entriesMax?: number;
  /** The frame is valid until this returns. */
  readonly emit: (frame: Frame) => void;
  /** What `snapshot` returned, to go on from there. */
  readonly from?: FramerSnapshot;
};

export type FramerSnapshot = {
  readonly greatestEventTimeMs: number | null;
  readonly toldMs: readonly (number | null)[];
  readonly sequences: readonly number[];
};

/**
 * Deals the trades of one feed out to frames, one bucket each.
 *
 * A bucket's watermark must say what the whole feed has seen, or the number of buckets would decide which trades are late. So a bucket is
 * told the greatest event time of the feed by a heartbeat, at the latest just before a trade that is behind the watermark by it. With this,
 * what becomes of a trade is the same for every number of buckets and every cut into frames.
 */
export class Framer {
  readonly #options: FramerOptions;
  readonly #builders: FrameBuilder[];
  readonly #sequences: number[];
  /** Greatest event time of the feed, and what each bucket knows of it. */
  #greatestEventTimeMs: number;
  readonly #toldMs: Float64Array;
  #bucketOfSymbol = new Int32Array(0);

  constructor(options: FramerOptions) {
    const { bucketCount, entriesMax = 16_384, from } = options;
    this.#options = options;
    this.#builders = Array.from({ length: bucketCount }, (_, bucket) => new FrameBuilder(bucket, entriesMax));
    this.#sequences = Array.from({ length: bucketCount }, (_, bucket) => from?.sequences[bucket] ?? 0);
    this.#greatestEventTimeMs = from?.greatestEventTimeMs ?? Number.NEGATIVE_INFINITY;
    this.#toldMs = Float64Array.from({ length: bucketCount }, (_, bucket) => from?.toldMs[bucket] ?? Number.NEGATIVE_INFINITY);
  }

  get greatestEventTimeMs(): number {
    return this.#greatestEventTimeMs;
  }

  add(batch: TradeBatch, arrivalTimeMs: number): void {
    this.#learnSymbols(batch);
    const { aheadMaxMs, outOfOrdernessMs } = this.#options;
    const latestMs = arrivalTimeMs + aheadMaxMs;
    const { symbolNumber, eventTimeMs } = batch;
    const toldMs = this.#toldMs;
    const builders = this.#builders;
    const bucketOfSymbol = this.#bucketOfSymbol;
    let greatestMs = this.#greatestEventTimeMs;
    for (let i = 0; i < batch.length; i++) {
      const symbol = symbolNumber[i] as number;
      const timeMs = eventTimeMs[i] as number;
      const bucket = bucketOfSymbol[symbol] as number;
      const builder = builders[bucket] as FrameBuilder;
      if (timeMs < greatestMs - outOfOrdernessMs && (toldMs[bucket] as number) < greatestMs) this.#tell(bucket, greatestMs);
      const isAhead = timeMs > latestMs;
      if (isAhead !== builder.isAhead) this.#begin(builder, isAhead);
      while (!builder.addTrade(batch, i)) {
        this.#take(builder);
        builder.isAhead = isAhead;
      }
      if (!isAhead) {
        if (timeMs > (toldMs[bucket] as number)) toldMs[bucket] = timeMs;
        if (timeMs > greatestMs) greatestMs = timeMs;
      }
    }
    this.#greatestEventTimeMs = greatestMs;
  }

  /** Gives out every open frame, and the time to every bucket that does not know it: quiet buckets close their windows too. */
  flush(): void {
    for (const builder of this.#builders) {
      if ((this.#toldMs[builder.bucket] as number) < this.#greatestEventTimeMs) this.#tell(builder.bucket, this.#greatestEventTimeMs);
      if (builder.count > 0) this.#take(builder);
    }
  }

  /** A live feed gone silent: the clock stands in for its event time. */
  heartbeat(eventTimeMs: number): void {
    if (eventTimeMs > this.#greatestEventTimeMs) this.#greatestEventTimeMs = eventTimeMs;
  }

  /** The input is over: every bucket closes all windows up to the one that holds the last event time. Nothing if there was no trade. */
  end(): void {
    if (this.#greatestEventTimeMs === Number.NEGATIVE_INFINITY) return;
    for (const builder of this.#builders) {
      this.#tell(builder.bucket, this.#greatestEventTimeMs, endFlag);
      this.#take(builder);
    }
  }

  snapshot(): FramerSnapshot {
    const finite = (timeMs: number) => (Number.isFinite(timeMs) ? timeMs : null);
    return {
      greatestEventTimeMs: finite(this.#greatestEventTimeMs),
      toldMs: [...this.#toldMs].map(finite),
      sequences: [...this.#sequences],
    };
  }

  #tell(bucket: number, eventTimeMs: number, flags = 0): void {
    const builder = this.#builders[bucket] as FrameBuilder;
    if (builder.isAhead) this.#begin(builder, false);
    while (!builder.addHeartbeat(eventTimeMs, flags)) this.#take(builder);
    this.#toldMs[bucket] = eventTimeMs;
  }

  #begin(builder: FrameBuilder, isAhead: boolean): void {
    if (builder.count > 0) this.#take(builder);
    builder.isAhead = isAhead;
  }

  #take(builder: FrameBuilder): void {
    const sequence = (this.#sequences[builder.bucket] as number) + 1;
    this.#sequences[builder.bucket] = sequence;
    this.#options.emit(builder.take(this.#options.producerId, sequence));
  }

  #learnSymbols(batch: TradeBatch): void {
    const known = this.#bucketOfSymbol;
    const { symbols } = batch;
    if (this.#learned === symbols.length) return;
    if (symbols.length > known.length) {
      this.#bucketOfSymbol = new Int32Array(Math.max(symbols.length, known.length * 2));
      this.#bucketOfSymbol.set(known);
    }
    for (let symbol = this.#learned; symbol < symbols.length; symbol++) {
      this.#bucketOfSymbol[symbol] = bucketOf(symbols[symbol] as string, this.#options.bucketCount);
    }
    this.#learned = symbols.length;
  }
  #learned = 0;
}
