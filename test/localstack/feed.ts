import { setTimeout as delay } from 'node:timers/promises';
import { type Ended, start, type Started } from '../local/tapeline.ts';

export type FeedOptions = {
  readonly stream: string;
  /** @default 'ndjson' */
  readonly format?: string;
  /** Where its state is; a feed of the same format goes on there. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
};

/** A live feed: `tapeline feed` with its standard input in our hands. */
export class Feed {
  readonly #started: Started;

  constructor({ stream, format = 'ndjson', folder, environment }: FeedOptions) {
    const args = ['feed', '--stream', stream, '--state', `feed-${format}`, '--feed', format, '--input', '-'];
    this.#started = start(args, { cwd: folder, env: environment });
  }

  /** Writes lines in pieces, so that a bucket gets several frames. */
  async write(lines: readonly string[]): Promise<void> {
    const piece = Math.ceil(lines.length / piecesMin);
    for (let from = 0; from < lines.length; from += piece) {
      this.#started.child.stdin?.write(`${lines.slice(from, from + piece).join('\n')}\n`, 'latin1');
      await delay(pieceEveryMs);
    }
  }

  /** The input is over: all windows close. @throws Error when the feed failed */
  async end(): Promise<void> {
    this.#started.child.stdin?.end();
    const { exitCode, stderr } = await this.ended;
    if (exitCode !== 0) throw new Error(`tapeline feed ended with ${exitCode}: ${stderr}`);
  }

  get ended(): Promise<Ended> {
    return this.#started.ended;
  }
}

const piecesMin = 4;
/** Longer than the feed gathers. */
const pieceEveryMs = 300;
