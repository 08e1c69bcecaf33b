import { TapelineError } from '../errors.ts';

/** The table did not take or give a bucket's state, for a reason that may pass: throttles, other transactions, a fault of the service. */
export class StoreBusy extends TapelineError {
  readonly bucket: number;

  constructor({ bucket, attempts, cause }: { readonly bucket: number; readonly attempts: number; readonly cause?: unknown }) {
    super(`the checkpoint table did not answer for bucket ${bucket} in ${attempts} attempts; the batch is to be delivered again`, {
      code: 'store-busy',
      retryable: true,
      cause,
    });
    this.bucket = bucket;
  }
}

/** The table refused: its name, its rights or its shape are not what this pipeline needs. */
export class StoreRefused extends TapelineError {
  readonly bucket: number;

  constructor({ bucket, tableName, cause }: { readonly bucket: number; readonly tableName: string; readonly cause: Error }) {
    super(`the table "${tableName}" refused bucket ${bucket} (${cause.name}: ${cause.message}); check its name, keys and permissions`, {
      code: 'store-refused',
      cause,
    });
    this.bucket = bucket;
  }
}

/** One commit is more than one transaction takes, so that it could not be saved whole. */
export class CheckpointTooLarge extends TapelineError {
  readonly bucket: number;
  readonly bytes: number;

  constructor({ bucket, bytes, items }: { readonly bucket: number; readonly bytes: number; readonly items: number }) {
    super(
      `a commit of bucket ${bucket} has ${bytes} bytes in ${items} items, and a transaction takes 4,000,000 in 100; use more buckets, or read smaller batches`,
      { code: 'checkpoint-too-large' },
    );
    this.bucket = bucket;
    this.bytes = bytes;
  }
}

/** What is in the table was not written by this store, or not by this version of it. */
export class CheckpointUnreadable extends TapelineError {
  constructor({ key, reason }: { readonly key: string; readonly reason: string }) {
    super(`the item "${key}" cannot be read: ${reason}; restore the table, or start a new generation`, { code: 'checkpoint-unreadable' });
  }
}
