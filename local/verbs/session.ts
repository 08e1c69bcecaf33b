import type { Writable } from 'node:stream';

/** What a verb has of the process that it runs in. */
export type Session = {
  /** Aborted by the first Ctrl-C, and when the reader of standard output has had enough. */
  readonly signal: AbortSignal;
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable;
  /** Whether the reader of standard output went away, as `head` does: that is no failure. */
  readonly isReaderGone: () => boolean;
  /** Takes the exit code that a verb's work ends with. */
  readonly finish: (work: Promise<number>) => Promise<void>;
};
