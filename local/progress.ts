/** How far a long command has come: a line that renews itself on a terminal, else a line now and then. Standard error only. */
export type ProgressNow = {
  readonly trades: number;
  readonly bytesRead: number;
  readonly bytesTotal: number | undefined;
  /** What else there is to say of it. */
  readonly more?: string;
};

type Stream = { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown };

const terminalEveryMs = 200;
const plainEveryMs = 5_000;

export class Progress {
  readonly #stream: Stream;
  readonly #verb: string;
  readonly #startedMs = performance.now();
  readonly #isTerminal: boolean;
  #shownMs = performance.now();
  #isLineOpen = false;

  constructor(verb: string, stream: Stream = process.stderr, env: NodeJS.ProcessEnv = process.env) {
    this.#verb = verb;
    this.#stream = stream;
    this.#isTerminal = stream.isTTY === true && env['TERM'] !== 'dumb';
  }

  get seconds(): number {
    return (performance.now() - this.#startedMs) / 1000;
  }

  show(now: ProgressNow): void {
    const nowMs = performance.now();
    if (nowMs - this.#shownMs < (this.#isTerminal ? terminalEveryMs : plainEveryMs)) return;
    this.#shownMs = nowMs;
    this.#isLineOpen = this.#isTerminal;
    const text = `${this.#verb}: ${this.#textOf(now)}`;
    // A line that is wider than the terminal would break, and `\r` would not take all of it back.
    this.#stream.write(this.#isTerminal ? `\r\u001b[K${text.slice(0, (this.#stream.columns || 80) - 1)}` : `${text}\n`);
  }

  clear(): void {
    if (this.#isLineOpen) this.#stream.write('\r\u001b[K');
    this.#isLineOpen = false;
  }

  #textOf({ trades, bytesRead, bytesTotal, more }: ProgressNow): string {
    const seconds = this.seconds;
    const rate = [`${countText(trades)} trades, ${countText(Math.round(trades / seconds))}/s`, ...(more === undefined ? [] : [more])].join(
      ', ',
    );
    if (bytesTotal === undefined || bytesRead === 0) return rate;
    const share = Math.min(bytesRead / bytesTotal, 1);
    return `${Math.floor(share * 100)} %, ${rate}, ${durationText((seconds / share) * (1 - share))} left`;
  }
}

export function countText(count: number): string {
  return count.toLocaleString('en-US');
}

function durationText(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  return seconds < 3600
    ? `${Math.floor(seconds / 60)} min ${Math.ceil(seconds % 60)} s`
    : `${Math.floor(seconds / 3600)} h ${Math.ceil((seconds % 3600) / 60)} min`;
}
