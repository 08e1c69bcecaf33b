import type { Stats } from 'node:fs';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import type { Readable, Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { InputError } from '../errors.ts';
import type { FeedDecoder, FeedOutput, InputEnding } from './feed.ts';

/** The bytes of a file or of standard input, decompressed and in order. It can be gone through once; each piece is valid until the next is asked for. */
export interface Input extends AsyncIterable<Uint8Array> {
  /** Bytes taken so far, before decompression. */
  readonly bytesRead: number;
  /** All bytes there are, before decompression; undefined for standard input and pipes. */
  readonly bytesTotal: number | undefined;
  /** Whether all came, known when the iteration is over. A compressed file that is cut off or damaged is `truncated`. */
  readonly ending: InputEnding;
}

type Options = {
  /** Where to begin, in decompressed bytes. @default 0 */
  readonly byteOffset?: number;
  /** What `-` reads. @default the process's standard input */
  readonly standardInput?: Readable;
};

const chunkBytes = 262_144;
/** At most so much in front of damaged bytes is lost with them. */
const decompressedBytes = 131_072;

/** Opens a file (`.gz` and `.zst` are decompressed), or standard input for `-`. @throws InputError when there is nothing to read */
export async function openInput(path: string, { byteOffset = 0, standardInput = process.stdin }: Options = {}): Promise<Input> {
  if (path === '-') return new StreamInput({ path, byteOffset, bytesTotal: undefined, open: () => standardInput });
  const stats = await statOf(path);
  if (stats.isFile()) return new StreamInput({ path, byteOffset, bytesTotal: stats.size, open: (start) => piecesOf(path, start) });
  // A pipe that has a name, as in `<(command)`, has no size and refuses to be read from a place.
  return new StreamInput({ path, byteOffset, bytesTotal: undefined, open: () => createReadStream(path, { highWaterMark: chunkBytes }) });
}

/**
 * Reads an input through a decoder to its end; yields whenever `out` may have something for the caller to take away.
 * An input that broke off ends with a line rejected as `input-truncated`.
 */
export async function* readFeed(input: Input, decoder: FeedDecoder, out: FeedOutput): AsyncGenerator<void> {
  for await (const chunk of input) {
    decoder.push(chunk, out);
    yield;
  }
  decoder.end(out, input.ending);
  yield;
}

type Source = {
  readonly path: string;
  readonly byteOffset: number;
  readonly bytesTotal: number | undefined;
  /** Each piece is valid until the next is asked for. */
  readonly open: (start: number) => AsyncIterable<Uint8Array>;
};

/**
 * A file in one buffer, filled again for each piece: with a new one, as a stream has, the garbage collector goes through the whole heap for
 * every few dozen MB that are read.
 */
async function* piecesOf(path: string, start: number): AsyncGenerator<Uint8Array> {
  const file = await open(path);
  try {
    const buffer = Buffer.allocUnsafeSlow(chunkBytes);
    let position = start;
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, chunkBytes, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

class StreamInput implements Input {
  bytesRead = 0;
  ending: InputEnding = 'complete';
  readonly bytesTotal: number | undefined;
  readonly #source: Source;

  constructor(source: Source) {
    this.#source = source;
    this.bytesTotal = source.bytesTotal;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const { path, byteOffset, bytesTotal } = this.#source;
    const create = decompressorOf(path);
    const canSeek = create === undefined && bytesTotal !== undefined;
    if (canSeek && byteOffset > bytesTotal) throw tooShort(this.#source, bytesTotal);
    this.bytesRead = canSeek ? byteOffset : 0;
    const pieces = this.#counted(this.#source.open(canSeek ? byteOffset : 0));
    const chunks = create ? this.#decompressed(pieces, create) : pieces;
    yield* canSeek ? chunks : this.#from(byteOffset, chunks);
  }

  async *#counted(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of pieces) {
        this.bytesRead += chunk.length;
        yield chunk;
      }
    } catch (cause) {
      throw unreadable(this.#source.path, cause);
    }
  }

  /** Decompresses one member or frame after the other: Node's zstd stream stops after the first. */
  async *#decompressed(pieces: AsyncIterable<Uint8Array>, create: () => Decompressor): AsyncGenerator<Uint8Array> {
    let decompression = new Decompression(create());
    try {
      for await (const piece of pieces) {
        let rest = piece;
        while (rest.length > 0 && !decompression.hasFailed) {
          if (decompression.hasEnded) decompression = new Decompression(create());
          const taken = decompression.bytesTaken;
          yield* decompression.write(rest);
          rest = rest.subarray(decompression.bytesTaken - taken);
        }
        if (decompression.hasFailed) break;
      }
      if (!decompression.hasFailed && !decompression.hasEnded) yield* decompression.end();
      if (decompression.hasFailed || this.bytesRead === 0) this.ending = 'truncated';
    } finally {
      decompression.close();
    }
  }

  async *#from(byteOffset: number, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let at = 0;
    for await (const chunk of chunks) {
      if (at + chunk.length > byteOffset) yield at >= byteOffset ? chunk : chunk.subarray(byteOffset - at);
      at += chunk.length;
    }
    if (at < byteOffset) throw tooShort(this.#source, at);
  }
}

type Decompressor = Transform & { readonly bytesWritten: number };

/**
 * One decompressor, read as it is written. It is not given to `pipeline`, nor read by its own iterator, because both throw away what was
 * decompressed before a failure.
 */
class Decompression {
  hasEnded = false;
  hasFailed = false;
  readonly #decompressor: Decompressor;
  #isWritten = false;
  #isAwake = false;
  #wake = () => {};

  constructor(decompressor: Decompressor) {
    this.#decompressor = decompressor;
    decompressor.on('readable', () => this.#awake());
    decompressor.on('end', () => {
      this.hasEnded = true;
      this.#awake();
    });
    decompressor.on('error', () => {
      this.hasFailed = true;
      this.#awake();
    });
  }

  /** Compressed bytes that were used up. */
  get bytesTaken(): number {
    return this.#decompressor.bytesWritten;
  }

  /** Gives out what `bytes` decompress to. Some are not taken when the frame ends in them. */
  write(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    this.#isWritten = false;
    this.#decompressor.write(bytes, () => {
      this.#isWritten = true;
      this.#awake();
    });
    return this.#readUntil(() => this.#isWritten || this.hasEnded || this.hasFailed);
  }

  end(): AsyncGenerator<Uint8Array> {
    this.#decompressor.end();
    return this.#readUntil(() => this.hasEnded || this.hasFailed);
  }

  close(): void {
    this.#decompressor.destroy();
  }

  async *#readUntil(isOver: () => boolean): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk: Uint8Array | null = this.#decompressor.read();
      if (chunk !== null) yield chunk;
      else if (isOver()) return;
      else await this.#next();
    }
  }

  #awake(): void {
    this.#isAwake = true;
    this.#wake();
  }

  /** Waits until something happened since the last wait. */
  async #next(): Promise<void> {
    if (!this.#isAwake) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#isAwake = false;
  }
}

function decompressorOf(path: string): (() => Decompressor) | undefined {
  if (path.endsWith('.gz')) return () => createGunzip({ chunkSize: decompressedBytes }) as Transform as Decompressor;
  if (path.endsWith('.zst')) return () => createZstdDecompress({ chunkSize: decompressedBytes }) as Transform as Decompressor;
  return undefined;
}

async function statOf(path: string): Promise<Stats> {
  const stats = await stat(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  if (!stats.isDirectory()) return stats;
  throw new InputError(`input must be a file or "-", received the folder "${path}"; name a file in it`, { code: 'input-is-a-directory' });
}

function unreadable(path: string, cause: unknown): InputError {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new InputError(`input must be a file that exists, received "${path}"; check the path`, { code: 'input-not-found', cause });
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new InputError(`input must be readable, no permission for "${path}"; check its owner and mode`, {
      code: 'input-not-permitted',
      cause,
    });
  }
  return new InputError(`input "${path}" cannot be read on: ${String(cause)}; try again`, {
    code: 'input-unreadable',
    retryable: true,
    cause,
  });
}

function tooShort({ path, byteOffset }: Source, bytes: number): InputError {
  return new InputError(
    `input "${path}" was read up to byte ${byteOffset} and now has ${bytes} only; give the file that was read, or start anew`,
    {
      code: 'input-shorter-than-offset',
    },
  );
}
