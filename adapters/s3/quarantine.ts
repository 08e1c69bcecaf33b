import type { Quarantined } from '../../core/reasons.ts';
import type { History } from '../history/history.ts';
import { inParallel } from '../in-parallel.ts';
import type { S3Bucket } from './bucket.ts';

const parallelMax = 16;

/**
 * Quarantined input as lines of JSON, an object for each tape record. All of a record is folded at once, so that a repeat, however the batches
 * were cut, writes the same object again.
 */
export class S3Quarantine implements Pick<History, 'writeQuarantined'> {
  readonly #bucket: S3Bucket;
  readonly #prefix: string;

  constructor({ bucket, prefix = '' }: { readonly bucket: S3Bucket; readonly prefix?: string }) {
    this.#bucket = bucket;
    this.#prefix = prefix;
  }

  /** @throws ObjectRefused when the bucket does not take an object */
  async writeQuarantined(quarantined: readonly Quarantined[]): Promise<void> {
    const byRecord = Map.groupBy(quarantined, ({ position }) => recordOf(position));
    await inParallel([...byRecord], parallelMax, ([record, entries]) =>
      this.#bucket.put(`${this.#prefix}${record}.ndjson`, { body: linesOf(entries), contentType: 'application/x-ndjson' }),
    );
  }
}

function linesOf(entries: readonly Quarantined[]): string {
  return entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
}

/** A position begins with the record's sequence number; behind `#` or `/` is a place in it. */
function recordOf(position: string): string {
  const [record] = position.split(/[#/]/, 1) as [string];
  return record.replace(/[^A-Za-z0-9._-]/g, '_');
}
