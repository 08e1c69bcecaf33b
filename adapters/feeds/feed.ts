import type { LineReason } from '../../core/reasons.ts';
import type { TradeBatch } from '../../core/trade.ts';

/** Where in the input something is: lines count from 1, bytes from 0 after decompression. */
export type InputPosition = { readonly line: number; readonly byteOffset: number };

/** A line that is not a trade. `sample` is at most its first 200 bytes, as text. */
export type RejectedLine = InputPosition & { readonly reason: LineReason; readonly sample: string };

/** How an input came to its end: a `truncated` one broke off, so that what it held last may be half a line. */
export type InputEnding = 'complete' | 'truncated';

/** What a feed has read from its input: trades in order, and the lines that are none. */
export type FeedOutput = { readonly trades: TradeBatch; readonly rejected: RejectedLine[] };

/**
 * Turns the bytes of one input into trades. A feed is a pure function of the bytes: it reads no clock, and two passes over one input,
 * however it is cut into chunks, give the same trades and the same rejected lines. To add a feed, write one file with a
 * `FeedFormat` and name it in `formats.ts`.
 */
export interface FeedDecoder {
  /** Reads the next bytes. A line that is cut off at the end is kept for the next call. May keep no reference to `chunk`. */
  push(chunk: Uint8Array, out: FeedOutput): void;
  /**
   * The input is over: reads a last line that has no line feed. After a `truncated` input that line is not read but rejected as
   * `input-truncated`, with its position, also when it is empty.
   */
  end(out: FeedOutput, ending?: InputEnding): void;
  /**
   * All that the decoder remembers, as JSON text, and how many bytes of input it covers: reading on from `byteOffset` with a decoder
   * made from `memory` gives what one pass gives. A cut-off line is not covered; it is read again.
   */
  snapshot(): { readonly byteOffset: number; readonly memory: string };
  /** Counts worth telling a user, such as `{ messages: 233, snapshots: 1514 }`; the `feed` field of the summary. Covered by `snapshot`. */
  readonly counts: Readonly<Record<string, number>>;
}

export type FeedFormat = {
  readonly name: string;
  /** One line for `--help`. */
  readonly summary: string;
  /** A decoder at the start of an input or, given what `snapshot` returned, in the middle of it. */
  readonly decoder: (from?: { readonly byteOffset: number; readonly memory: string }) => FeedDecoder;
};
