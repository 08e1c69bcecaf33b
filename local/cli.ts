import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { formatOf, formats } from '../adapters/feeds/formats.ts';
import { ConfigError } from '../core/config.ts';
import type { Pipeline } from '../core/pipeline.ts';
import { exitCodes, explain } from './exit.ts';
import { filterFor, numberOf, pipelineFor, type SharedOptions } from './options.ts';
import type { OutputFileOptions } from './output-files.ts';
import { countText, Progress } from './progress.ts';
import { queryCommand } from './query.ts';
import { replay } from './replay.ts';
import { type RunNow, run } from './run.ts';
import { simulateCommand, type SimulateOptions } from './simulate.ts';
import { openFileSource, openMarketSource, type Source } from './source.ts';
import { bucketCountOf } from './saved-source.ts';
import { tapePath } from './state-folder.ts';
import type { Summary } from './summary.ts';
import { View } from './view.ts';

const defaultStateFolder = '.tapeline';
const feedNames = formats.map(({ name }) => name);
const sameInterruptMs = 750;
let interruptedMs = 0;
const interruption = new AbortController();
let isReaderGone = false;

process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);
process.stdout.on('error', endQuietly);
process.stderr.on('error', endQuietly);
process.exitCode = await main(process.argv.slice(2));
// Standard input may still be open, and must not keep the process.
process.exit();

async function main(args: readonly string[]): Promise<number> {
  let exitCode: number = exitCodes.done;
  const program = programOf((code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.wrongUsage;
    if (isReaderGone || (error as NodeJS.ErrnoException | null)?.code === 'EPIPE') return exitCodes.done;
    const explained = explain(error);
    process.stderr.write(`tapeline: ${explained.message}\n`);
    return explained.exitCode;
  }
}

/**
 * The first Ctrl-C lets the command save what it has; a second one does not wait. Under npm one Ctrl-C can come twice, from the terminal and
 * from npm, so the second counts only after a moment.
 */
function interrupt(): void {
  const nowMs = performance.now();
  if (interruption.signal.aborted && nowMs - interruptedMs > sameInterruptMs) process.exit(exitCodes.interrupted);
  if (!interruption.signal.aborted) interruptedMs = nowMs;
  interruption.abort();
}

/** The reader has seen enough, as `head` has: what was read is saved, and nobody is told. */
function endQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  isReaderGone = true;
  interruption.abort();
}

function programOf(setExitCode: (code: number) => void): Command {
  const program = new Command('tapeline')
    .description('A live tape of market trades in, buy and sell signals out. What it emits live is exactly what a replay emits.')
    .version('0.1.0')
    .exitOverride()
    .showHelpAfterError('(tapeline VERB --help shows the options)')
    .configureHelp({ helpWidth: 120 });
  const finish = async (work: Promise<number>) => setExitCode(await work);

  shared(program.command('replay'), [...feedNames, 'tape'])
    .description('Fold recorded input through the core as fast as it goes and print a summary.')
    .argument('[files...]', 'recordings, or - for standard input; .gz and .zst are unpacked (none with --feed tape)')
    .option('--bars <file>', 'write the bars as NDJSON, in the order they were emitted; - is standard output')
    .option('--signals <file>', 'write the signals')
    .option('--late <file>', 'write the trades that came too late')
    .option('--quarantine <file>', 'write what could not be read, with position and reason')
    .option('--state <dir>', 'the state folder whose log --feed tape reads', defaultStateFolder)
    .addHelpText(
      'after',
      examples([
        'tapeline replay trades.ndjson.gz --interval 1m --bars bars.ndjson',
        'tapeline simulate --seconds 600 | tapeline replay - --json',
        'tapeline replay --feed tape',
      ]),
    )
    .action((files, options) => finish(replayVerb(files, options)));

  shared(program.command('run'), feedNames)
    .description('The live pipeline on this machine: feed → log → consumer → bars, signals, history; durable, resumes after any end.')
    .option('--input <file>', 'what the feed reads: a file, or - for standard input', '-')
    .option('--state <dir>', 'the folder of the durable state', defaultStateFolder)
    .addHelpText(
      'after',
      examples(['tapeline run --input trades.ndjson --json', 'my-feed | tapeline run --input - --state /var/lib/tapeline']),
    )
    .action((options) => finish(runVerb(options)));

  shared(program.command('start', { hidden: true }), feedNames)
    .description('Watch a market turn into bars and signals: a simulated one, or a recording.')
    .argument('[file]', 'a recording, or - for standard input')
    .option('--input <file>', 'the same as the argument')
    .option('--state <dir>', 'the folder of the durable state (default: one of its own for each input)')
    .option('--symbols-simulated <n>', 'tickers of the simulated market', '1500')
    .option('--rate <n>', 'its trades per second', '460')
    .option('--seed <n>', 'its seed', '7')
    .option('--backfill <seconds>', 'how much of its past is read first', '3600')
    .option('--seconds <n>', 'end after this long')
    .addHelpText(
      'after',
      examples(['npm start', 'npm start -- --feed schwab level-one-equities.ndjson', 'npm start -- --rate 4600 --interval 5s']),
    )
    .action((file, options) => finish(startVerb(file, options)));

  program
    .command('simulate')
    .description('Write a seeded market as NDJSON.')
    .option('--symbols <n>', 'how many tickers', '1500')
    .option('--rate <n>', 'trades per second over all of them', '460')
    .option('--seconds <n>', 'how much of the market’s time passes', '60')
    .option('--seed <n>', 'the same seed gives the same bytes', '7')
    .option('--start <time>', 'when the market opens, ISO 8601 or Unix ms (default: 2024-01-02T14:30:00Z)')
    .option('--out-of-order-ms <ms>', 'how far trades arrive out of order')
    .option('--late-share <share>', 'share of trades that come minutes late, 0 to 1')
    .option('--duplicates <share>', 'share of trades that arrive twice, 0 to 1')
    .option('--bad <share>', 'lines that are no trades, for each trade, 0 to 1')
    .option('--output <file>', 'write to a file instead of standard output')
    .option('--pace', 'give each trade when its time has come')
    .option('--json', 'the counts as JSON: on standard output with --output, else on standard error')
    .addHelpText(
      'after',
      examples([
        'tapeline simulate --symbols 1500 --rate 460 --seconds 60 --seed 7 > trades.ndjson',
        'tapeline simulate --bad 0.01 --duplicates 0.01 --late-share 0.001 --output trades.ndjson --json',
      ]),
    )
    .action((options: SimulateOptions) =>
      finish(simulateCommand({ ...options, stdout: process.stdout, stderr: process.stderr, signal: interruption.signal })),
    );

  program
    .command('query')
    .description('Ask the history in SQL: tables bars, signals, late, quarantine. Works while a run is writing.')
    .argument('[sql]', 'one statement that reads')
    .option('--state <dir>', 'the state folder', defaultStateFolder)
    .option('--export-parquet <dir>', 'write every table as a Parquet file instead')
    .option('--json', 'print {columns, rows}')
    .option('--csv', 'print CSV')
    .addHelpText(
      'after',
      examples([
        'tapeline query "select symbol, count(*) n from bars group by symbol order by n desc limit 5"',
        'tapeline query "select * from signals" --csv',
        'tapeline query --export-parquet history/',
      ]),
    )
    .action((sql, options) =>
      finish(queryCommand({ ...options, sql, stdout: process.stdout, stderr: process.stderr, signal: interruption.signal })),
    );

  return program;
}

function shared(command: Command, feeds: readonly string[]): Command {
  const collect = (value: string, previous: string[] | undefined) => [...(previous ?? []), value];
  return command
    .option('--feed <name>', `how the input is read: ${feeds.join(', ')} (default: ndjson)`)
    .option('--config <file>', 'the config (default: tapeline.config.ts here, else the one that comes with Tapeline)')
    .option('--interval <interval>', 'the bars: 1s, 5s, 1m, 5m, 1h, 1d; repeat for more, strategies use the first', collect)
    .option('--strategy <name>', 'a strategy by name or file; repeat for more, none for bars only', collect)
    .option('--out-of-orderness <ms>', 'how far trades may come out of order (default: 2000)')
    .option('--allowed-lateness <ms>', 'how long a closed bar is still corrected (default: 60000)')
    .option('--conditions <profile>', 'which sale conditions make prices: all, sip or sip+extended (default: all)')
    .option('--empty-windows <policy>', 'none, or carry the last close into windows without trades (default: none)')
    .option('--buckets <n>', 'parts of the market with a state of their own (default: 16)')
    .option('--symbols <list>', 'only these symbols, such as IBM,AAPL')
    .option('--from <time>', 'only trades from this time on, ISO 8601 or Unix ms')
    .option('--to <time>', 'only trades before this time')
    .option('--strict', 'exit with 3 when some of the input was quarantined')
    .option('--json', 'print the summary as one JSON document')
    .exitOverride();
}

function examples(lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line.replace(/\btapeline (?=[a-z])/g, 'npx tapeline ')}`).join('\n')}`;
}

type ReplayArguments = SharedOptions & OutputFileOptions & { readonly state: string };

async function replayVerb(files: readonly string[], options: ReplayArguments): Promise<number> {
  const { feed = 'ndjson', state: stateFolder } = options;
  if (feed === 'tape') {
    if (files.length > 0) throw new ConfigError(`--feed tape reads the log of --state, and no file, received "${files.join('", "')}"`);
    if (!existsSync(tapePath(stateFolder)))
      throw new ConfigError(`there is no tape in "${stateFolder}": start "tapeline run" first, or name another folder with --state`);
  } else {
    formatOf(feed);
    if (files.length === 0) throw new ConfigError('replay needs a file, or - for standard input: tapeline replay trades.ndjson');
  }
  const progress = new Progress('replay');
  const { bars, signals, late, quarantine } = options;
  const outputs = { ...(bars && { bars }), ...(signals && { signals }), ...(late && { late }), ...(quarantine && { quarantine }) };
  const toStandardOutput = Object.values(outputs).includes('-');
  if (toStandardOutput && options.json)
    throw new ConfigError('--json prints the summary to standard output, and so does an output of "-"; give the output a file');
  const summary = await replay({
    pipeline: await pipelineFor(feed === 'tape' ? { ...options, buckets: tapeBuckets(options) } : options),
    feed,
    files,
    stateFolder,
    filter: filterFor(options),
    outputs,
    isDigestWanted: options.json === true,
    progress,
    signal: interruption.signal,
  });
  printSummary(summary, options, toStandardOutput ? process.stderr : process.stdout);
  if (interruption.signal.aborted) process.stderr.write('replay: interrupted; the numbers are of what was read until then\n');
  return exitCodeOf(summary, options);
}

/** A tape's records are of its own buckets; another number would find them in the wrong ones. */
function tapeBuckets({ state, buckets }: ReplayArguments): string | undefined {
  const written = bucketCountOf(state);
  if (written === undefined || buckets === undefined || Number(buckets) === written)
    return written === undefined ? buckets : String(written);
  throw new ConfigError(`the tape in "${state}" was written in ${written} buckets, received --buckets "${buckets}"; leave the option out`);
}

type RunArguments = SharedOptions & { readonly input: string; readonly state: string };

async function runVerb(options: RunArguments): Promise<number> {
  const { feed = 'ndjson', input } = options;
  formatOf(feed);
  const progress = new Progress('run');
  return runAndReport({
    options,
    openSource: (stateOf) => openWithState(feed, input, stateOf),
    onProgress: (now) => progress.show(now),
    onEnd: () => progress.clear(),
  });
}

type StartArguments = SharedOptions & {
  readonly input?: string;
  readonly state?: string;
  readonly symbolsSimulated: string;
  readonly rate: string;
  readonly seed: string;
  readonly backfill: string;
  readonly seconds?: string;
};

async function startVerb(file: string | undefined, options: StartArguments): Promise<number> {
  const input = file ?? options.input;
  const { feed = 'ndjson' } = options;
  formatOf(feed);
  const name = input === undefined ? 'market' : `${feed}-${input === '-' ? 'stdin' : basename(input)}`;
  const state = options.state ?? join(defaultStateFolder, 'start', name);
  const pipeline = await pipelineFor(options);
  const market = {
    symbols: numberOf('--symbols-simulated', options.symbolsSimulated),
    rate: numberOf('--rate', options.rate),
    seed: numberOf('--seed', options.seed),
    backfillMs: numberOf('--backfill', options.backfill) * 1000,
    ...(options.seconds === undefined ? {} : { seconds: numberOf('--seconds', options.seconds) }),
  };
  const what =
    input === undefined
      ? `a simulated market of ${countText(market.symbols)} tickers, ${countText(market.rate)} trades/s`
      : `${feed} from ${input}`;
  const view = new View({
    title: `Tapeline · ${what} · state in ${state} · Ctrl-C ends`,
    stream: options.json ? process.stderr : process.stdout,
  });
  let last: RunNow | undefined;
  return runAndReport({
    pipeline,
    options: { ...options, state },
    openSource: async (stateOf) => (input === undefined ? openMarket(market, stateOf) : openWithState(feed, input, stateOf)),
    onProgress: (now) => {
      last = now;
      view.show(now);
    },
    onEnd: () => last && view.show(last, true),
  });
}

async function openMarket(
  market: Omit<Parameters<typeof openMarketSource>[0], 'from'>,
  stateOf: (name: string) => string | undefined,
): Promise<Source> {
  try {
    return openMarketSource({ ...market, from: stateOf('market') });
  } catch (error) {
    throw error instanceof RangeError ? new ConfigError(error.message, { cause: error }) : error;
  }
}

async function openWithState(feed: string, path: string, stateOf: (name: string) => string | undefined): Promise<Source> {
  const { name, stop } = await openFileSource({ feed, path });
  stop();
  return openFileSource({ feed, path, from: stateOf(name) });
}

type Running = {
  readonly pipeline?: Pipeline;
  readonly options: SharedOptions & { readonly state: string };
  readonly openSource: (stateOf: (name: string) => string | undefined) => Promise<Source>;
  readonly onProgress: (now: RunNow) => void;
  readonly onEnd: () => void;
};

async function runAndReport({ pipeline, options, openSource, onProgress, onEnd }: Running): Promise<number> {
  const { summary, hasEnded, hadNothingNew } = await run({
    pipeline: pipeline ?? (await pipelineFor(options)),
    stateFolder: options.state,
    openSource,
    filter: filterFor(options),
    isDigestWanted: options.json === true,
    onProgress,
    signal: interruption.signal,
  });
  onEnd();
  if (hasEnded || options.json) printSummary(summary, options);
  if (hadNothingNew)
    process.stderr.write(
      `run: the input had been read before; "${options.state}" holds its result, delete it or give another --state to begin anew\n`,
    );
  if (summary.late > summary.trades / 10) {
    process.stderr.write(
      `run: ${countText(summary.late)} of ${countText(summary.trades)} trades came after their windows were gone; give input that is older than what "${options.state}" holds a --state of its own\n`,
    );
  }
  if (!hasEnded) {
    const until =
      summary.lastEventTimeMs === null ? 'before the first trade' : `at event time ${new Date(summary.lastEventTimeMs).toISOString()}`;
    process.stderr.write(
      `run: stopped ${until} after ${countText(summary.trades)} trades; everything read is saved in "${options.state}", the same command goes on from here\n`,
    );
  }
  return exitCodeOf(summary, options);
}

function exitCodeOf(summary: Summary, { strict }: SharedOptions): number {
  if (interruption.signal.aborted && !isReaderGone) return exitCodes.interrupted;
  return strict && summary.quarantined.total > 0 ? exitCodes.quarantined : exitCodes.done;
}

function printSummary(summary: Summary, { json }: SharedOptions, stream: NodeJS.WritableStream = process.stdout): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(summary)}\n`);
    return;
  }
  const { signals, quarantined } = summary;
  const time = (timeMs: number | null) => (timeMs === null ? '-' : new Date(timeMs).toISOString());
  const counts = (byName: Readonly<Record<string, number>>) => Object.entries(byName).map(([name, count]) => `${name} ${countText(count)}`);
  const rows: [string, string][] = [
    ['trades', `${countText(summary.trades)} of ${countText(summary.symbols)} symbols, volume ${countText(summary.volume)}`],
    ['from, to', `${time(summary.firstEventTimeMs)}, ${time(summary.lastEventTimeMs)}`],
    ['bars', `${countText(summary.bars)}, ${countText(summary.revisions)} revisions`],
    ['late', countText(summary.late)],
    ['duplicates', countText(summary.duplicates)],
    ['quarantined', [countText(quarantined.total), ...counts(quarantined.byReason)].join(', ')],
    [
      'signals',
      [
        `${countText(signals.buy)} buy`,
        `${countText(signals.sell)} sell`,
        ...counts(signals.suppressed).map((text) => `suppressed by ${text}`),
      ].join(', '),
    ],
    ...Object.entries(summary.feed).map(([name, count]): [string, string] => [`feed ${name}`, countText(count)]),
    ['time', `${summary.seconds} s, ${countText(Math.round(summary.trades / Math.max(summary.seconds, 0.001)))} trades/s`],
  ];
  stream.write(rows.map(([name, text]) => `${name.padEnd(21)} ${text}\n`).join(''));
}
