import type { Source } from './source.ts';

/** What came of waiting: trades, their end, nothing within the time given, or Ctrl-C. */
export type Read = 'read' | 'over' | 'silent' | 'interrupted';

/**
 * Waits for a source without being held by it, as standard input may be silent for days. Nothing piles up meanwhile: one promise stands
 * for one read, however often it is waited for.
 */
export class Reader {
  readonly #source: Pick<Source, 'next'>;
  readonly #signal: AbortSignal | undefined;
  #state: 'idle' | 'reading' | Promise<boolean> = 'idle';
  #wake: () => void = () => undefined;

  constructor(source: Pick<Source, 'next'>, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#signal = signal;
    signal?.addEventListener('abort', () => this.#wake(), { once: true });
  }

  /** A read that was not over by now is what the next call waits for. @throws what the source throws */
  async next(silenceMaxMs?: number): Promise<Read> {
    if (this.#signal?.aborted) return 'interrupted';
    if (this.#state === 'idle') this.#read();
    if (this.#state === 'reading') await this.#somethingToHappen(silenceMaxMs);
    if (typeof this.#state === 'string') return this.#signal?.aborted ? 'interrupted' : 'silent';
    const done = this.#state;
    this.#state = 'idle';
    return (await done) ? 'read' : 'over';
  }

  #read(): void {
    this.#state = 'reading';
    const settle = (result: Promise<boolean>) => {
      this.#state = result;
      this.#wake();
    };
    this.#source.next().then(
      (hasMore) => settle(Promise.resolve(hasMore)),
      (error: unknown) => {
        const failed = Promise.reject(error);
        // Nobody may be waiting any more.
        failed.catch(() => undefined);
        settle(failed);
      },
    );
  }

  #somethingToHappen(silenceMaxMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = silenceMaxMs === undefined ? undefined : setTimeout(resolve, silenceMaxMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
