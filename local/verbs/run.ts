import { join } from 'node:path';
import type { Command } from 'commander';
import { formatOf } from '../../adapters/feeds/formats.ts';
import { ConfigError } from '../../core/config.ts';
import { endpointsFor, numberOf, pipelineFor, type SharedOptions } from '../options.ts';
import { countText, Progress } from '../progress.ts';
import type { RunStreamNow } from '../run-stream.ts';
import { type ServeAddress, serveAddressOf } from '../serve-address.ts';
import { defaultStack, type StreamOptions, streamNameFor } from '../stream-name.ts';
import { exitCodeOf, printSummary, tellEndpoint, tellServing, tellUndelivered } from './report.ts';
import { openWithState, runAndReport } from './running.ts';
import type { Session } from './session.ts';
import { defaultStateFolder, examples, feedNames, withSharedOptions } from './shared-options.ts';

export function addRun(program: Command, session: Session): void {
  withSharedOptions(program.command('run'), feedNames)
    .description('The live pipeline on this machine: feed → log → consumer → bars, signals, history, deliveries; resumes after any end.')
    .option('--input <file>', 'what the feed reads: a file, or - for standard input (default: -)')
    .option('--state <dir>', `the folder of the durable state (default: ${defaultStateFolder})`)
    .option('--serve <address>', 'serve /signals and /bars as server-sent events, and /health, such as at 127.0.0.1:8080')
    .option('--serve-origin <origin>', 'with --serve: let pages of this origin read too')
    .option('--tape <kind>', 'local: the log in the state folder; kinesis: the live stream of a deployment, and no feed', 'local')
    .option('--stream <name>', 'with --tape kinesis: the stream (default: TAPELINE_STREAM, else what the stack says)')
    .option('--stack <name>', 'with --tape kinesis: the deployed stack whose output TapeStream names the stream', defaultStack)
    .option('--seconds <n>', 'with --tape kinesis: end after this long')
    .option('--deliver', 'deliver signals where the config says (default, but with --tape kinesis: the deployment does)')
    .option('--no-deliver', 'deliver nothing: signals go to the history alone')
    .option('--until-latest', 'with --tape kinesis: end when all that the stream holds was read')
    .addHelpText(
      'after',
      examples([
        'tapeline run --input trades.ndjson --json',
        'my-feed | tapeline run --input - --state /var/lib/tapeline',
        'tapeline run --tape kinesis --stream tape --until-latest --json',
      ]),
    )
    .action((options) => session.finish(runVerb(options, session)));
}

type RunArguments = SharedOptions &
  StreamOptions & {
    readonly input?: string;
    readonly state?: string;
    readonly tape: string;
    readonly seconds?: string;
    readonly untilLatest?: boolean;
    readonly deliver?: boolean;
    readonly serve?: string;
    readonly serveOrigin?: string;
  };

async function runVerb(options: RunArguments, session: Session): Promise<number> {
  if (options.tape === 'kinesis') return runStreamVerb(options, session);
  if (options.tape !== 'local') throw new ConfigError(`--tape must be local or kinesis, received "${options.tape}"`);
  refuse(options, ['stream', 'seconds', 'untilLatest'], 'is for --tape kinesis');
  const { feed = 'ndjson', input = '-', state = defaultStateFolder } = options;
  if (feed === 'tape')
    throw new ConfigError(
      'run writes the tape and reads it by itself, received --feed "tape"; "tapeline replay --feed tape" folds it anew',
    );
  formatOf(feed);
  const progress = new Progress('run');
  return runAndReport({
    session,
    options: { ...options, state },
    endpoints: options.deliver === false ? [] : await endpointsFor(options),
    serve: serveOf(options),
    openSource: (stateOf) => openWithState(feed, input, stateOf),
    onProgress: (now) => progress.show(now),
    onEnd: () => progress.clear(),
  });
}

async function runStreamVerb(options: RunArguments, session: Session): Promise<number> {
  refuse(
    options,
    ['feed', 'input', 'symbols', 'from', 'to'],
    'is for a feed, and --tape kinesis reads what a feed has put into the stream',
  );
  const pipeline = await pipelineFor(options);
  const seconds = options.seconds === undefined ? undefined : numberOf('--seconds', options.seconds, { least: 0, most: secondsMax });
  const streamName = await streamNameFor(options, process.env);
  const state = options.state ?? join(defaultStateFolder, 'stream', streamName);
  const [{ runStream }, { makeKinesisClient }] = await Promise.all([
    import('../run-stream.ts'),
    import('../../adapters/tape/kinesis-client.ts'),
  ]);
  const client = makeKinesisClient();
  const progress = new Progress('run');
  try {
    const { summary, missingFrames, undelivered } = await runStream({
      pipeline,
      client,
      streamName,
      stateFolder: state,
      endpoints: options.deliver === true ? await endpointsFor(options) : [],
      serve: serveOf(options),
      onServing: (url) => tellServing(url, session.stderr),
      onDelivery: (event) => tellEndpoint(event, session.stderr, () => progress.clear()),
      isDigestWanted: options.json === true,
      endsAtLatest: options.untilLatest === true,
      onProgress: (now) => progress.show({ trades: now.folded, bytesRead: 0, bytesTotal: undefined, more: textOf(now) }),
      signal: seconds === undefined ? session.signal : AbortSignal.any([session.signal, AbortSignal.timeout(seconds * 1000)]),
    });
    progress.clear();
    printSummary(summary, options, session.stdout);
    tellUndelivered(undelivered, state, session.stderr);
    if (missingFrames > 0)
      session.stderr.write(
        `run: ${countText(missingFrames)} frames are missing between others: the stream forgot them before they were read, or they were put in another order\n`,
      );
    if (session.signal.aborted)
      session.stderr.write(`run: stopped; everything read is saved in "${state}", the same command goes on from here\n`);
    return exitCodeOf(summary, options, session);
  } finally {
    progress.clear();
    client.destroy();
  }
}

function textOf({ bars, millisBehind }: RunStreamNow): string {
  const behind = millisBehind === undefined ? '' : `, ${(millisBehind / 1000).toFixed(1)} s behind the stream's end`;
  return `${countText(bars)} bars${behind}`;
}

/** What a timer of Node takes: 24 days. */
const secondsMax = 2_147_483;

function serveOf({ serve, serveOrigin }: RunArguments): ServeAddress | undefined {
  if (serve === undefined && serveOrigin !== undefined)
    throw new ConfigError(`--serve-origin says who may read what --serve gives, received "${serveOrigin}" and no --serve`);
  return serve === undefined ? undefined : serveAddressOf(serve, serveOrigin);
}

function refuse(options: RunArguments, names: readonly (keyof RunArguments)[], why: string): void {
  for (const name of names) {
    if (options[name] === undefined) continue;
    throw new ConfigError(`--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} ${why}; leave it out`);
  }
}
