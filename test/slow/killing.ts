import { setTimeout as sleep } from 'node:timers/promises';
import { type Ended, start, type StartOptions, tapeline } from '../local/tapeline.ts';

/** Kills commands at random moments of their work, by how long a whole one took. */
export class Killer {
  readonly #random: () => number;
  #startMs = 0;
  #endMs = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Lets one run to its end, whose summary has the seconds that were work; a start and an ending take as long as each other. */
  async measure(args: readonly string[], options: StartOptions): Promise<Ended> {
    const beganMs = performance.now();
    const ended = await tapeline(args, options);
    this.#endMs = performance.now() - beganMs;
    this.#startMs = (this.#endMs - (JSON.parse(ended.stdout) as { seconds: number }).seconds * 1_000) / 2;
    return ended;
  }

  /** How it ended before the moment came; undefined when it was killed. What has all its work before it and was too quick is killed sooner next time. */
  async kill(args: readonly string[], { isFresh, ...options }: StartOptions & { readonly isFresh: boolean }): Promise<Ended | undefined> {
    const { child, ended } = start(args, options);
    const end = await Promise.race([ended, sleep(this.#startMs + this.#random() * (this.#endMs - this.#startMs))]);
    if (end === undefined) process.kill(child.pid as number, 'SIGKILL');
    const { exitCode, signal, stdout, stderr } = await ended;
    if (exitCode !== 0 && signal !== 'SIGKILL') throw new Error(stderr);
    // The summary may have been out, and only the ending was cut short.
    if (stdout === '') return undefined;
    if (isFresh) {
      this.#startMs *= 0.8;
      this.#endMs *= 0.8;
    }
    return { exitCode, signal, stdout, stderr };
  }
}
