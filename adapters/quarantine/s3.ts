import { AwsClient } from 'aws4fetch';
import type { Quarantined } from '../../core/reasons.ts';
import { type Backoff, type Wait, waitAfterAttempt } from '../backoff.ts';
import type { History } from '../history/history.ts';
import { inParallel } from '../in-parallel.ts';
import { QuarantineRefused } from './errors.ts';

export type S3QuarantineOptions = {
  /** Of the bucket, without a slash at its end: `https://BUCKET.s3.REGION.amazonaws.com`. */
  readonly bucketUrl: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string };
  /** Of every key. @default '' */
  readonly prefix?: string;
  /** Waits between attempts. @default the clock's */
  readonly wait?: Wait;
};

const parallelMax = 16;
const attemptsMax = 6;
const backoff: Backoff = { baseMs: 100, maxMs: 2_000 };
const timeoutMs = 5_000;

/**
 * Quarantined input as lines of JSON, an object for each tape record. All of a record is folded at once, so that a repeat, however the batches
 * were cut, writes the same object again.
 */
export class S3Quarantine implements Pick<History, 'writeQuarantined'> {
  readonly #options: S3QuarantineOptions;
  readonly #client: AwsClient;
  readonly #backoff: Backoff;

  constructor(options: S3QuarantineOptions) {
    this.#options = options;
    this.#client = new AwsClient({ ...options.credentials, region: options.region, service: 's3', retries: 0 });
    this.#backoff = options.wait === undefined ? backoff : { ...backoff, wait: options.wait };
  }

  /** @throws QuarantineRefused when the bucket does not take an object */
  async writeQuarantined(quarantined: readonly Quarantined[]): Promise<void> {
    const byRecord = Map.groupBy(quarantined, ({ position }) => recordOf(position));
    await inParallel([...byRecord], parallelMax, ([record, entries]) =>
      this.#put(`${this.#options.prefix ?? ''}${record}.ndjson`, linesOf(entries)),
    );
  }

  async #put(key: string, body: string): Promise<void> {
    const url = `${this.#options.bucketUrl}/${key}`;
    for (let attempt = 1; ; attempt++) {
      const failure = await this.#putOnce(url, body);
      if (failure === undefined) return;
      if (!failure.retryable || attempt === attemptsMax) throw new QuarantineRefused({ url, attempts: attempt, ...failure });
      await waitAfterAttempt(attempt, this.#backoff);
    }
  }

  async #putOnce(url: string, body: string): Promise<{ retryable: boolean; cause: unknown } | undefined> {
    try {
      const response = await this.#client.fetch(url, {
        method: 'PUT',
        headers: { 'content-type': 'application/x-ndjson' },
        body,
        signal: AbortSignal.timeout(timeoutMs),
      });
      const answer = await response.text();
      if (response.ok) return undefined;
      return {
        retryable: response.status >= 500 || response.status === 429,
        cause: new Error(`${response.status} ${answer.slice(0, 500)}`),
      };
    } catch (cause) {
      return { retryable: true, cause };
    }
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
