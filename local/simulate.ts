import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { ConfigError } from '../core/config.ts';
import { type Simulation, type SimulationOptions, type SimulationOutput, simulateMarket, simulationDefaults } from '../core/simulation.ts';
import { TradeBatch } from '../core/trade.ts';
import { numberOf, timeOf } from './options.ts';

/** What the command line gives: numbers may still be text. */
export type SimulateOptions = {
  readonly symbols?: string | number;
  readonly rate?: string | number;
  readonly seconds?: string | number;
  readonly seed?: string | number;
  /** An ISO 8601 time with its zone, or Unix milliseconds. */
  readonly start?: string | number;
  readonly outOfOrderMs?: string | number;
  readonly lateShare?: string | number;
  readonly duplicates?: string | number;
  readonly bad?: string | number;
  /** A file for the lines. @default standard output */
  readonly output?: string;
  /** Gives each trade when its time has come, counted from the start of the command. */
  readonly pace?: boolean;
  /** The counts as one JSON document: on standard output when the lines go to a file, else on standard error. */
  readonly json?: boolean;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Ends the simulation early; the counts are of what was written until then. */
  readonly signal?: AbortSignal;
};

/** Writes a simulated market as NDJSON and tells what was written. Returns the exit code. */
export async function simulateCommand(options: SimulateOptions): Promise<number> {
  const { stderr, output, signal } = options;
  const market = openMarket(options);
  if (typeof market === 'string') {
    stderr.write(`tapeline simulate: ${market}\n`);
    return 2;
  }
  const sink = new Sink(output === undefined ? options.stdout : createWriteStream(output));
  try {
    await writeLines(market.simulation, sink, market.pacer, signal);
    if (output !== undefined) await sink.end();
  } catch (cause) {
    // The reader has seen enough, as `head` has: no failure of ours, and nobody waits for the counts.
    if ((cause as NodeJS.ErrnoException).code === 'EPIPE') return 0;
    stderr.write(`tapeline simulate: the lines cannot be written: ${(cause as Error).message}\n`);
    return 1;
  }
  tellCounts(market.simulation, options);
  return signal?.aborted ? 130 : 0;
}

/** The trade at an index of the batch as a line of NDJSON. Its texts must need no escape, as those of a simulated market. */
export function lineOfTrade(trades: TradeBatch, index: number): string {
  const conditions = trades.conditionSets[trades.conditionSetNumber[index] as number] as readonly string[];
  const tail = conditions.length === 0 ? '"}\n' : `","conditions":["${conditions.join('","')}"]}\n`;
  return `{"symbol":"${trades.symbols[trades.symbolNumber[index] as number]}","eventTimeMs":${trades.eventTimeMs[index]},"price":${trades.price[index]},"size":${trades.size[index]},"tradeId":"${trades.tradeIdNumber[index]}${tail}`;
}

type Pacer = (() => number) | undefined;

function openMarket(options: SimulateOptions): { readonly simulation: Simulation; readonly pacer: Pacer } | string {
  try {
    const settings = settingsOf(options);
    const startMs = settings.startMs ?? simulationDefaults.startMs;
    const startedMs = performance.now();
    const pacer = options.pace ? () => startMs + performance.now() - startedMs : undefined;
    return { simulation: simulateMarket(settings), pacer };
  } catch (cause) {
    if (cause instanceof RangeError || cause instanceof ConfigError) return cause.message;
    throw cause;
  }
}

const numericOptions = ['symbols', 'rate', 'seconds', 'seed', 'outOfOrderMs', 'lateShare', 'duplicates', 'bad'] as const;

function settingsOf(options: SimulateOptions): SimulationOptions {
  const settings: Record<string, number> = {};
  for (const name of numericOptions) {
    const value = options[name];
    if (value !== undefined) settings[name] = typeof value === 'number' ? value : numberOf(name, value);
  }
  if (options.start !== undefined) settings.startMs = typeof options.start === 'number' ? options.start : timeOf('start', options.start);
  return settings;
}

const batchTrades = 8_192;
const paceStepMs = 10;

async function writeLines(simulation: Simulation, sink: Sink, pacer: Pacer, signal?: AbortSignal): Promise<void> {
  const out: SimulationOutput = { trades: new TradeBatch(batchTrades), bad: [] };
  while (!simulation.isOver && !signal?.aborted) {
    const given = simulation.next(out, batchTrades, pacer?.());
    if (given > 0) await sink.write(linesOf(out));
    // A file takes all there is at once, and Ctrl-C would never be heard.
    await (given > 0 || simulation.isOver ? nextTurn() : sleep(paceStepMs));
    out.trades.clear();
    out.bad.length = 0;
  }
}

/** All characters are below U+0100 and stand for one byte each: a bad line may hold bytes that are no text. */
function linesOf({ trades, bad }: SimulationOutput): Buffer {
  let text = '';
  let next = 0;
  for (const { before, bytes } of bad) {
    for (; next < before; next++) text += lineOfTrade(trades, next);
    text += `${String.fromCharCode(...bytes)}\n`;
  }
  for (; next < trades.length; next++) text += lineOfTrade(trades, next);
  return Buffer.from(text, 'latin1');
}

function tellCounts({ counts }: Simulation, { json, output, stdout, stderr }: SimulateOptions): void {
  if (json) {
    (output === undefined ? stderr : stdout).write(`${JSON.stringify(counts)}\n`);
    return;
  }
  const number = (value: number) => value.toLocaleString('en');
  const { lines, trades, symbols, duplicates, late, bad } = counts;
  stderr.write(
    `${number(lines)} lines: ${number(trades)} trades of ${number(symbols)} symbols (${number(late)} of them late), ${number(duplicates)} duplicates, ${number(bad)} bad\n`,
  );
}

/** Writes to a stream no faster than it takes, and throws what the stream fails with. */
class Sink {
  readonly #stream: Writable;
  #failure: Error | undefined;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on('error', (cause) => {
      this.#failure ??= cause;
    });
  }

  async write(bytes: Buffer): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (!this.#stream.write(bytes)) await once(this.#stream, 'drain');
    if (this.#failure) throw this.#failure;
  }

  async end(): Promise<void> {
    this.#stream.end();
    await finished(this.#stream);
  }
}
