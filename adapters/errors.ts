/**
 * The world outside failed, or was asked for wrongly. `code` is for programs and `message` for people; `retryable` says whether the
 * same call may succeed later without anybody changing anything.
 */
export class TapelineError extends Error {
  readonly code: string;
  readonly retryable: boolean;

  constructor(message: string, options: { readonly code: string; readonly retryable?: boolean; readonly cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = options.code;
    this.retryable = options.retryable ?? false;
  }
}

export type InputErrorCode =
  | 'input-not-found'
  | 'input-is-a-directory'
  | 'input-not-permitted'
  | 'input-unreadable'
  | 'input-shorter-than-offset'
  | 'input-replaced'
  | 'csv-header-invalid';

/** An input cannot be opened or read on, or is not at all what it was said to be. */
export class InputError extends TapelineError {
  declare readonly code: InputErrorCode;

  constructor(message: string, options: { readonly code: InputErrorCode; readonly retryable?: boolean; readonly cause?: unknown }) {
    super(message, options);
  }
}

/** A name that is in no list: the message has the nearest one. */
export class UnknownNameError extends TapelineError {
  constructor(message: string, options: { readonly code: 'feed-unknown' }) {
    super(message, options);
  }
}
