import type { EpochMs } from './trade.ts';

/**
 * The watermark of several channels (buckets, producers) as one: the smallest of the active ones, never falling.
 * Nothing is said until every active channel has reported. An idle channel is left out; one that comes back counts again once it has
 * caught up with what was said. When all are idle the watermark is held: a quiet market closes nothing by itself.
 */
export class CombinedWatermark {
  readonly #watermarksMs: Float64Array;
  readonly #idle: Uint8Array;
  #saidMs = Number.NEGATIVE_INFINITY;

  constructor(channelCount: number) {
    this.#watermarksMs = new Float64Array(channelCount).fill(Number.NEGATIVE_INFINITY);
    this.#idle = new Uint8Array(channelCount);
  }

  /** -Infinity while nothing can be said. */
  get watermarkMs(): EpochMs {
    return this.#saidMs;
  }

  get isIdle(): boolean {
    return this.#idle.length > 0 && this.#idle.every((idle) => idle === 1);
  }

  /** A lower watermark than before is ignored, and so is one of an idle channel. */
  advance(channel: number, watermarkMs: EpochMs): void {
    if (this.#idle[channel] === 1) return;
    if (watermarkMs > (this.#watermarksMs[channel] as number)) this.#watermarksMs[channel] = watermarkMs;
    this.#combine();
  }

  setIdle(channel: number, isIdle: boolean): void {
    this.#idle[channel] = isIdle ? 1 : 0;
    this.#combine();
  }

  snapshot(): number[][] {
    return [[...this.#watermarksMs], [...this.#idle], [this.#saidMs]];
  }

  static restore([watermarksMs = [], idle = [], said = []]: number[][]): CombinedWatermark {
    const combined = new CombinedWatermark(watermarksMs.length);
    combined.#watermarksMs.set(watermarksMs);
    combined.#idle.set(idle);
    combined.#saidMs = said[0] ?? Number.NEGATIVE_INFINITY;
    return combined;
  }

  #combine(): void {
    let lowest = Number.POSITIVE_INFINITY;
    for (let channel = 0; channel < this.#idle.length; channel++) {
      const watermarkMs = this.#watermarksMs[channel] as number;
      if (this.#idle[channel] === 0 && watermarkMs >= this.#saidMs) lowest = Math.min(lowest, watermarkMs);
    }
    if (lowest !== Number.POSITIVE_INFINITY && lowest > this.#saidMs) this.#saidMs = lowest;
  }
}
