import { TapelineError } from '../errors.ts';

/** The bucket did not take what was quarantined, so that its batch must come again. */
export class QuarantineRefused extends TapelineError {
  constructor({ url, attempts, retryable, cause }: { url: string; attempts: number; retryable: boolean; cause: unknown }) {
    super(`the quarantine object "${url}" was not taken in ${attempts} attempts; check the bucket and its permissions`, {
      code: 'quarantine-refused',
      retryable,
      cause,
    });
  }
}
