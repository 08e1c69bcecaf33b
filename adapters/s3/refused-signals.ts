import type { RefusedSignals, Unpublished } from '../bus/bus.ts';
import { inParallel } from '../in-parallel.ts';
import type { S3Bucket } from './bucket.ts';

const parallelMax = 16;

/** Signals that the bus refuses for good, an object of JSON each: why, and the event as it was to be published. */
export class S3RefusedSignals implements RefusedSignals {
  readonly #bucket: S3Bucket;
  readonly #prefix: string;

  constructor({ bucket, prefix = '' }: { readonly bucket: S3Bucket; readonly prefix?: string }) {
    this.#bucket = bucket;
    this.#prefix = prefix;
  }

  /** @throws ObjectRefused when the bucket does not take an object */
  async keep(refused: readonly Unpublished[]): Promise<void> {
    await inParallel(refused, parallelMax, ({ event, code, message }) =>
      this.#bucket.put(`${this.#prefix}${event.id}.json`, {
        body: JSON.stringify({ code, message, event }),
        contentType: 'application/json',
      }),
    );
  }
}
