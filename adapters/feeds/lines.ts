import type { LineReason } from '../../core/reasons.ts';
import { sampleBytesMax } from '../../core/reasons.ts';
import { InputError } from '../errors.ts';
import type { FeedDecoder, FeedOutput, InputEnding } from './feed.ts';

/** What `LineFeed` asks of a format. */
export interface LineReader {
  /**
   * Reads the line that starts at `start` in `lines.bytes` and returns the offset behind its line feed. The line feed is always there,
   * so that a scanner needs no other bound.
   */
  readLine(lines: LineFeed, start: number, out: FeedOutput): number;
  /** What the format remembers between lines besides the counts, as JSON. */
  memory(): unknown;
}

export type Snapshot = { readonly byteOffset: number; readonly memory: string };

type Options = {
  /** Longer lines are rejected, and never held in memory. At least `sliceBytes`. */
  readonly lineBytesMax: number;
  readonly from: Snapshot | undefined;
  /** Makes the reader, from what its `memory` returned if the input is read on in the middle. */
  readonly reader: (counts: Record<string, number>, memory: unknown) => LineReader;
};

/** `isUnfinished`: the last line had no line feed and was read all the same, as the input was over. */
type Memory = { readonly isUnfinished?: true; readonly line: number; readonly counts: Record<string, number>; readonly reader?: unknown };

export const lineFeed = 0x0a;
export const carriageReturn = 0x0d;

/** Scanners may look this far beyond a line feed without leaving the buffer. */
const paddingBytes = 16;
/** A byte more than the sample, which so is seen to be cut. */
const heldOfLongLine = sampleBytesMax + 1;
/** Chunks are read in slices: small enough for the processor's cache, and a bound on the buffer. */
const sliceBytes = 65_536;

export const lineBytesMaxDefault = 1_048_576;

/**
 * Cuts bytes into lines for a format and keeps the books: line numbers, byte offsets, counts, the cut-off line between two chunks.
 * Chunks are copied into one buffer, so that each line lies in one piece and every scanner sees one kind of array.
 */
export class LineFeed implements FeedDecoder {
  bytes = new Uint8Array(sliceBytes * 2 + paddingBytes);
  view = new DataView(this.bytes.buffer);
  readonly counts: Record<string, number>;

  readonly #reader: LineReader;
  readonly #lineBytesMax: number;
  /** Lines read so far. */
  #line: number;
  /** Where in the input `bytes[0]` is. */
  #byteOffset: number;
  /** Bytes of the cut-off line at the start of `bytes`. */
  #held = 0;
  /** Bytes of a line too long that were let go, behind the held ones. */
  #letGo = 0;
  #isSkipping = false;
  #isUnfinished: boolean;

  constructor({ lineBytesMax, from, reader }: Options) {
    const memory: Memory = from ? JSON.parse(from.memory) : { line: 0, counts: {} };
    this.#lineBytesMax = lineBytesMax;
    this.#line = memory.line;
    this.#isUnfinished = memory.isUnfinished ?? false;
    this.#byteOffset = from?.byteOffset ?? 0;
    this.counts = { lines: 0, blankLines: 0, ...memory.counts };
    this.#reader = reader(this.counts, memory.reader);
  }

  /** @throws InputError `input-replaced` when a line goes on that was read as the last one */
  push(chunk: Uint8Array, out: FeedOutput): void {
    for (let from = this.#isUnfinished ? this.#afterUnfinished(chunk) : 0; from < chunk.length; from += sliceBytes) {
      this.#pushSlice(from === 0 && chunk.length <= sliceBytes ? chunk : chunk.subarray(from, from + sliceBytes), out);
    }
  }

  end(out: FeedOutput, ending: InputEnding = 'complete'): void {
    if (ending === 'truncated') this.#leaveLine(out);
    else if (this.#held > 0) this.#readUnfinished(out);
  }

  snapshot(): Snapshot {
    const memory: Memory = {
      line: this.#line,
      counts: this.counts,
      reader: this.#reader.memory(),
      ...(this.#isUnfinished && { isUnfinished: true }),
    };
    return { byteOffset: this.#byteOffset, memory: JSON.stringify(memory) };
  }

  /** Rejects the bytes from `start` to `end`, which lie in the line that is being read. */
  reject(out: FeedOutput, reason: LineReason, start: number, end: number): void {
    const sample = sampleOf(this.bytes.subarray(start, end));
    out.rejected.push({ line: this.#line + 1, byteOffset: this.#byteOffset + start, reason, sample });
  }

  skipBlankLine(): void {
    this.counts.blankLines = (this.counts.blankLines as number) + 1;
  }

  #pushSlice(slice: Uint8Array, out: FeedOutput): void {
    let rest = slice;
    if (this.#isSkipping) {
      const feedAt = rest.indexOf(lineFeed);
      this.#letGo += feedAt < 0 ? rest.length : feedAt;
      if (feedAt < 0) return;
      this.#finishLine('line-too-long', out);
      this.#byteOffset++;
      rest = rest.subarray(feedAt + 1);
    }
    const heldBefore = this.#held;
    this.#hold(rest);
    const dropped = this.#dropByteOrderMark();
    const lastFeedAt = rest.lastIndexOf(lineFeed);
    if (lastFeedAt >= 0) this.#readHeld(Math.max(0, heldBefore - dropped), heldBefore + lastFeedAt + 1 - dropped, out);
    if (this.#held > this.#lineBytesMax) this.#letGoOfLine();
  }

  #hold(slice: Uint8Array): void {
    const needed = this.#held + slice.length + paddingBytes;
    if (needed > this.bytes.length) {
      const bytes = new Uint8Array(Math.max(needed, this.bytes.length * 2));
      bytes.set(this.bytes.subarray(0, this.#held));
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer);
    }
    this.bytes.set(slice, this.#held);
    this.#held += slice.length;
  }

  #dropByteOrderMark(): number {
    const { bytes } = this;
    if (this.#byteOffset > 0 || this.#held < 3 || bytes[0] !== 0xef || bytes[1] !== 0xbb || bytes[2] !== 0xbf) return 0;
    this.#letGoOfHead(3);
    return 3;
  }

  /** Reads the lines in `bytes[0..limit)`. Only the first can be too long: the others lie within one slice. */
  #readHeld(heldBefore: number, limit: number, out: FeedOutput): void {
    let start = 0;
    const firstFeedAt = heldBefore > 0 ? this.bytes.indexOf(lineFeed, heldBefore) : 0;
    if (firstFeedAt > this.#lineBytesMax) {
      this.reject(out, 'line-too-long', 0, firstFeedAt);
      this.#countLine();
      start = firstFeedAt + 1;
    }
    this.#readLines(start, limit, out);
    this.#letGoOfHead(limit);
  }

  #readLines(from: number, limit: number, out: FeedOutput): void {
    const reader = this.#reader;
    let start = from;
    while (start < limit) {
      start = reader.readLine(this, start, out);
      this.#line++;
    }
    this.counts.lines = this.#line;
  }

  #letGoOfHead(byteCount: number): void {
    this.bytes.copyWithin(0, byteCount, this.#held);
    this.#held -= byteCount;
    this.#byteOffset += byteCount;
  }

  #letGoOfLine(): void {
    this.#isSkipping = true;
    this.#letGo = this.#held - heldOfLongLine;
    this.#held = heldOfLongLine;
  }

  /** Of a line that is cut off nobody knows the rest: it stands where it began, for the day when all of it is there. */
  #leaveLine(out: FeedOutput): void {
    this.reject(out, 'input-truncated', 0, this.#held);
    this.#held = 0;
    this.#letGo = 0;
    this.#isSkipping = false;
  }

  #readUnfinished(out: FeedOutput): void {
    const endAt = this.#byteOffset + this.#held + this.#letGo;
    if (this.#isSkipping) this.#finishLine('line-too-long', out);
    else {
      this.bytes[this.#held] = lineFeed;
      this.#readLines(0, this.#held + 1, out);
    }
    this.#byteOffset = endAt;
    this.#held = 0;
    this.#isUnfinished = true;
  }

  /** How much of the chunk is the end of the line that was read without it. */
  #afterUnfinished(chunk: Uint8Array): number {
    const end = chunk.indexOf(lineFeed);
    const rest = chunk.subarray(0, end < 0 ? chunk.length : end);
    if (rest.some((byte) => byte !== carriageReturn))
      throw new InputError(
        'the input goes on in the middle of the line that was its last one: what was read of it then is on the tape, give it another --state',
        { code: 'input-replaced' },
      );
    const taken = end < 0 ? chunk.length : end + 1;
    this.#byteOffset += taken;
    this.#isUnfinished = end < 0;
    return taken;
  }

  /** Rejects the cut-off line and moves behind it. */
  #finishLine(reason: LineReason, out: FeedOutput): void {
    this.reject(out, reason, 0, this.#held);
    this.#countLine();
    this.#byteOffset += this.#held + this.#letGo;
    this.#held = 0;
    this.#letGo = 0;
    this.#isSkipping = false;
  }

  #countLine(): void {
    this.#line++;
    this.counts.lines = this.#line;
  }
}

/** The text in bytes from `start` to `end`; undefined when they are not UTF-8. */
export function textOf(bytes: Uint8Array, start: number, end: number): string | undefined {
  try {
    return strictDecoder.decode(bytes.subarray(start, end));
  } catch {
    return undefined;
  }
}

/** The text in bytes that are known to be ASCII. */
export function asciiOf(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at] as number);
  return text;
}

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** At most the first 200 bytes as text, without half a character at the end. */
function sampleOf(bytes: Uint8Array): string {
  const end = bytes.at(-1) === carriageReturn ? bytes.length - 1 : bytes.length;
  const isCut = end > sampleBytesMax;
  return new TextDecoder().decode(bytes.subarray(0, Math.min(end, sampleBytesMax)), { stream: isCut });
}
