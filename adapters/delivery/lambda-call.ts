import { createHash, createHmac } from 'node:crypto';
import { type Backoff, type Wait, waitAfterAttempt } from '../backoff.ts';
import { TapelineError } from '../errors.ts';

export type LambdaCallOptions = {
  /** Without a slash at its end: `https://lambda.REGION.amazonaws.com`. */
  readonly url: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string };
  readonly functionName: string;
  /** Waits between attempts. @default the clock's */
  readonly wait?: Wait;
};

/** Lambda did not take the event: it is too busy, or has no such function for us. */
class CallRefused extends TapelineError {
  constructor({ functionName, attempts, retryable, cause }: { functionName: string; attempts: number } & Failure) {
    super(`the function "${functionName}" was not called in ${attempts} attempts (${cause.message})`, {
      code: 'call-refused',
      retryable,
      cause,
    });
  }
}

type Failure = { readonly retryable: boolean; readonly cause: Error };

const attemptsMax = 3;
const backoff: Backoff = { baseMs: 200, maxMs: 1_000 };
const timeoutMs = 5_000;

/**
 * Calls a function and does not wait for what it does. Lambda's client would be a seventh of the bundle for this one request, and a library
 * that signs it more than there is left.
 * @see https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
 */
export class LambdaCall {
  readonly #options: LambdaCallOptions;
  readonly #backoff: Backoff;

  constructor(options: LambdaCallOptions) {
    this.#options = options;
    this.#backoff = { ...backoff, wait: options.wait };
  }

  /** An answer may be lost, and the event then come twice. @throws CallRefused */
  async call(event: object): Promise<void> {
    const { functionName } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const failure = await this.#callOnce(JSON.stringify(event));
      if (failure === undefined) return;
      if (!failure.retryable || attempt === attemptsMax) throw new CallRefused({ functionName, attempts: attempt, ...failure });
      await waitAfterAttempt(attempt, this.#backoff);
    }
  }

  async #callOnce(body: string): Promise<Failure | undefined> {
    const url = new URL(`${this.#options.url}/2015-03-31/functions/${this.#options.functionName}/invocations`);
    try {
      const headers = signedHeadersOf({ ...this.#options, url, body, now: new Date() });
      const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(timeoutMs) });
      const answer = await response.text();
      if (response.ok) return undefined;
      return {
        retryable: response.status >= 500 || response.status === 429,
        cause: new Error(`${response.status} ${answer.slice(0, 500)}`),
      };
    } catch (cause) {
      return { retryable: true, cause: cause as Error };
    }
  }
}

/**
 * Signature Version 4 of a POST whose path has nothing to escape.
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
function signedHeadersOf({
  url,
  body,
  region,
  credentials: { accessKeyId, secretAccessKey, sessionToken },
  now,
}: Pick<LambdaCallOptions, 'region' | 'credentials'> & { readonly url: URL; readonly body: string; readonly now: Date }) {
  const time = now.toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
  const scope = [time.slice(0, 8), region, 'lambda', 'aws4_request'];
  // By their names, as they are signed.
  const headers = {
    host: url.host,
    'x-amz-date': time,
    'x-amz-invocation-type': 'Event',
    ...(sessionToken !== undefined && { 'x-amz-security-token': sessionToken }),
  };
  const names = Object.keys(headers).join(';');
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}`);
  const request = ['POST', url.pathname, '', ...lines, '', names, sha256(body)].join('\n');
  const key = scope.reduce<string | Buffer>((secret, part) => createHmac('sha256', secret).update(part).digest(), `AWS4${secretAccessKey}`);
  const signature = createHmac('sha256', key)
    .update(['AWS4-HMAC-SHA256', time, scope.join('/'), sha256(request)].join('\n'))
    .digest('hex');
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope.join('/')}, SignedHeaders=${names}, Signature=${signature}`;
  return { ...headers, authorization };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
