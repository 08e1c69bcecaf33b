import { AwsClient } from 'aws4fetch';
import { type Backoff, type Wait, waitAfterAttempt } from '../backoff.ts';
import { TapelineError } from '../errors.ts';

export type S3BucketOptions = {
  /** Without a slash at its end: `https://BUCKET.s3.REGION.amazonaws.com`. */
  readonly url: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string };
  /** Waits between attempts. @default the clock's */
  readonly wait?: Wait;
};

/** The bucket did not take an object. */
class ObjectRefused extends TapelineError {
  constructor({ url, attempts, retryable, cause }: { url: string; attempts: number; retryable: boolean; cause: unknown }) {
    super(`the object "${url}" was not taken in ${attempts} attempts; check the bucket and its permissions`, {
      code: 'object-refused',
      retryable,
      cause,
    });
  }
}

const attemptsMax = 6;
const backoff: Backoff = { baseMs: 100, maxMs: 2_000 };
const timeoutMs = 5_000;

/** A bucket that objects are put into by signed requests: the S3 client would be a third of a function's bundle, for this one call. */
export class S3Bucket {
  readonly #url: string;
  readonly #client: AwsClient;
  readonly #backoff: Backoff;

  constructor({ url, region, credentials, wait }: S3BucketOptions) {
    this.#url = url;
    this.#client = new AwsClient({ ...credentials, region, service: 's3', retries: 0 });
    this.#backoff = wait === undefined ? backoff : { ...backoff, wait };
  }

  /** A repeat puts the same object again. @throws ObjectRefused */
  async put(key: string, { body, contentType }: { readonly body: string; readonly contentType: string }): Promise<void> {
    const url = `${this.#url}/${key}`;
    for (let attempt = 1; ; attempt++) {
      const failure = await this.#putOnce(url, { method: 'PUT', headers: { 'content-type': contentType }, body });
      if (failure === undefined) return;
      if (!failure.retryable || attempt === attemptsMax) throw new ObjectRefused({ url, attempts: attempt, ...failure });
      await waitAfterAttempt(attempt, this.#backoff);
    }
  }

  async #putOnce(
    url: string,
    request: { method: string; headers: Record<string, string>; body: string },
  ): Promise<{ retryable: boolean; cause: unknown } | undefined> {
    try {
      const response = await this.#client.fetch(url, { ...request, signal: AbortSignal.timeout(timeoutMs) });
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
