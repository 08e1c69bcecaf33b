import { createHash } from 'node:crypto';
import { keyOf } from '../history/timestream-rows.ts';
import type { RefusedRow } from '../history/timestream.ts';
import type { S3Bucket } from './bucket.ts';

/** Rows that Timestream will never take, as lines of JSON: why, and the row as it was to be written. */
export class S3RefusedRows {
  readonly #bucket: S3Bucket;
  readonly #prefix: string;

  constructor({ bucket, prefix = '' }: { readonly bucket: S3Bucket; readonly prefix?: string }) {
    this.#bucket = bucket;
    this.#prefix = prefix;
  }

  /** An object for the rows that were refused together; the same rows again are the same object. @throws ObjectRefused */
  async keep(refused: readonly RefusedRow[]): Promise<void> {
    const name = createHash('sha256');
    for (const { table, row } of refused) name.update(`${table}${keyOf(row)}`);
    await this.#bucket.put(`${this.#prefix}${name.digest('hex').slice(0, 32)}.ndjson`, {
      body: refused.map((entry) => `${JSON.stringify(entry)}\n`).join(''),
      contentType: 'application/x-ndjson',
    });
  }
}
