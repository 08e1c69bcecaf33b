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

/** The bucket did not do what it was asked. */
class ObjectRefused extends TapelineError {
  constructor({
    url,
    what,
    attempts,
    retryable,
    cause,
  }: { url: string; what: string; attempts: number; retryable: boolean; cause: unknown }) {
    super(`the object "${url}" was not ${what} in ${attempts} attempts; check the bucket and its permissions`, {
      code: 'object-refused',
      retryable,
      cause,
    });
  }
}

type Answer = { readonly body: Uint8Array | undefined; readonly version: string | undefined };

const attemptsMax = 6;
const backoff: Backoff = { baseMs: 100, maxMs: 2_000 };
const timeoutMs = 5_000;

/** A bucket whose objects are asked for by signed requests: the S3 client would be a third of a function's bundle, for these few calls. */
export class S3Bucket {
  readonly #url: string;
  readonly #client: AwsClient;
  readonly #backoff: Backoff;

  constructor({ url, region, credentials, wait }: S3BucketOptions) {
    this.#url = url;
    this.#client = new AwsClient({ ...credentials, region, service: 's3', retries: 0 });
    this.#backoff = { ...backoff, wait };
  }

  /**
   * A repeat puts the same object again. Returns the version that S3 has made of it, undefined in a bucket without versions.
   * @throws ObjectRefused
   */
  async put(
    key: string,
    { body, contentType }: { readonly body: string | Uint8Array; readonly contentType: string },
  ): Promise<string | undefined> {
    const { version } = await this.#ask(key, 'taken', {
      method: 'PUT',
      headers: { 'content-type': contentType },
      body: body as NonNullable<RequestInit['body']>,
    });
    return version;
  }

  /** Of a key, or of one version of it as `KEY?versionId=VERSION`. Undefined when there is none. @throws ObjectRefused */
  async get(key: string): Promise<Uint8Array | undefined> {
    return (await this.#ask(key, 'given', { method: 'GET' })).body;
  }

  /** As `get` names it. Removing what is not there changes nothing. @throws ObjectRefused */
  async remove(key: string): Promise<void> {
    await this.#ask(key, 'removed', { method: 'DELETE' });
  }

  async #ask(key: string, what: string, request: RequestInit): Promise<Answer> {
    const url = `${this.#url}/${key}`;
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#askOnce(url, request);
      if (!('cause' in answer)) return answer;
      if (!answer.retryable || attempt === attemptsMax) throw new ObjectRefused({ url, what, attempts: attempt, ...answer });
      await waitAfterAttempt(attempt, this.#backoff);
    }
  }

  async #askOnce(url: string, request: RequestInit): Promise<Answer | { retryable: boolean; cause: unknown }> {
    try {
      const response = await this.#client.fetch(url, { ...request, signal: AbortSignal.timeout(timeoutMs) });
      const body = new Uint8Array(await response.arrayBuffer());
      if (response.ok) return { body, version: response.headers.get('x-amz-version-id') ?? undefined };
      if (response.status === 404 && request.method !== 'PUT') return { body: undefined, version: undefined };
      return {
        retryable: response.status >= 500 || response.status === 429,
        cause: new Error(`${response.status} ${Buffer.from(body).toString('utf8', 0, 500)}`),
      };
    } catch (cause) {
      return { retryable: true, cause };
    }
  }
}
