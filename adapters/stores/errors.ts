import { TapelineError } from '../errors.ts';

/** Somebody else has committed these buckets since their state was loaded; load again and fold again. */
export class CheckpointConflict extends TapelineError {
  readonly buckets: readonly number[];

  constructor({ buckets }: { readonly buckets: readonly number[] }) {
    super(`buckets ${buckets.join(', ')} were committed by another consumer since they were loaded; the batch is to be delivered again`, {
      code: 'checkpoint-conflict',
      retryable: true,
    });
    this.buckets = buckets;
  }
}
