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

/** Two consumers of one state would overwrite each other. */
export class StateInUse extends TapelineError {
  constructor({ file, cause }: { readonly file: string; readonly cause: unknown }) {
    super(`the state "${file}" is in use by another run; stop that one, or give this one a state folder of its own with --state`, {
      code: 'state-in-use',
      retryable: true,
      cause,
    });
  }
}
