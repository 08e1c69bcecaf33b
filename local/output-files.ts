import { closeSync, openSync, realpathSync, statSync, writeSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { ConfigError } from '../core/config.ts';
import type { Outcome } from '../core/bucket-state.ts';
import type { Quarantined } from '../core/reasons.ts';
import { withoutLink } from '../core/signal.ts';

export type OutputFileOptions = { readonly bars?: string; readonly signals?: string; readonly late?: string; readonly quarantine?: string };

const bufferCharacters = 1 << 18;

/** The outputs that a user asked for, as NDJSON in the order they were emitted. `-` is standard output. */
export class OutputFiles {
  readonly #files: { readonly [name in keyof Required<OutputFileOptions>]: LineFile | undefined };

  /** Empties the files, or adds to what they have: for what goes on where it ended. */
  constructor({ bars, signals, late, quarantine }: OutputFileOptions, { isAdding = false } = {}) {
    const open = (path: string | undefined) => (path === undefined ? undefined : new LineFile(path, isAdding ? 'a' : 'w'));
    this.#files = { bars: open(bars), signals: open(signals), late: open(late), quarantine: open(quarantine) };
  }

  write({ bars, signals, late, quarantined }: Outcome): void {
    const { bars: barFile, signals: signalFile, late: lateFile } = this.#files;
    if (barFile !== undefined) for (const bar of bars) barFile.write(bar);
    if (signalFile !== undefined) for (const signal of signals) signalFile.write(withoutLink(signal));
    if (lateFile !== undefined) for (const trade of late) lateFile.write(trade);
    this.writeQuarantined(quarantined);
  }

  writeQuarantined(quarantined: readonly Quarantined[]): void {
    const file = this.#files.quarantine;
    if (file !== undefined) for (const entry of quarantined) file.write(entry);
  }

  flush(): void {
    for (const file of Object.values(this.#files)) file?.flush();
  }

  close(): void {
    for (const file of Object.values(this.#files)) file?.close();
  }
}

/** Opening an output empties it, or adds to it. @throws ConfigError for one that is an input too, or that two outputs share */
export function checkOutputs(outputs: OutputFileOptions, inputs: readonly string[]): void {
  const uses = new Map(inputs.map((path) => [fileOf(path), 'input']));
  for (const [name, path] of Object.entries(outputs)) {
    if (!isOverwritten(path)) continue;
    const other = uses.get(fileOf(path));
    if (other === 'input') throw new ConfigError(`--${name} would write into the input "${path}"; give it another file`);
    if (other !== undefined) throw new ConfigError(`--${other} and --${name} need files of their own, received "${path}" for both`);
    uses.set(fileOf(path), name);
  }
}

/** Where a path leads, over links; of a file that is not there yet, over those of its folder. */
function fileOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const folder = dirname(resolve(path));
    return folder === resolve(path) ? folder : join(fileOf(folder), basename(path));
  }
}

/** Terminals, pipes and `/dev/null` take the lines of several. */
function isOverwritten(path: string): boolean {
  return path !== '-' && (statSync(path, { throwIfNoEntry: false })?.isFile() ?? true);
}

class LineFile {
  readonly #descriptor: number;
  #lines = '';

  constructor(path: string, flag: 'a' | 'w') {
    this.#descriptor = path === '-' ? 1 : openSync(path, flag);
  }

  write(value: unknown): void {
    this.#lines += `${JSON.stringify(value)}\n`;
    if (this.#lines.length >= bufferCharacters) this.flush();
  }

  close(): void {
    this.flush();
    if (this.#descriptor !== 1) closeSync(this.#descriptor);
  }

  flush(): void {
    let bytes = Buffer.from(this.#lines);
    this.#lines = '';
    while (bytes.length > 0) bytes = bytes.subarray(writtenOf(this.#descriptor, bytes));
  }
}

/** How much was written. A pipe whose reader is slow takes nothing for a while. */
function writtenOf(descriptor: number, bytes: Uint8Array): number {
  try {
    return writeSync(descriptor, bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    Atomics.wait(pause, 0, 0, pauseMs);
    return 0;
  }
}

const pauseMs = 2;
const pause = new Int32Array(new SharedArrayBuffer(4));
