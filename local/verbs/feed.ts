import { join } from 'node:path';
import type { Command } from 'commander';
import { formatOf } from '../../adapters/feeds/formats.ts';
import { ConfigError } from '../../core/config.ts';
import { exitCodes } from '../exit.ts';
import { flushEveryMs } from '../flush.ts';
import type { FeedNow, FeedResult, FeedSummary } from '../feed.ts';
import { filterFor, numberOf, pipelineFor } from '../options.ts';
import { checkOutputs, OutputFiles } from '../output-files.ts';
import { countText, Progress } from '../progress.ts';
import { defaultStack, type StreamOptions, streamNameFor } from '../stream-name.ts';
import { openWithState } from './running.ts';
import type { Session } from './session.ts';
import { defaultStateFolder, examples, feedNames } from './shared-options.ts';

export function addFeed(program: Command, session: Session): void {
  program
    .command('feed')
    .description('Put a feed into the Kinesis stream of a deployment: feed → frames → stream; goes on after any end where the stream ends.')
    .option('--feed <name>', `how the input is read: ${feedNames.join(', ')}`, 'ndjson')
    .option('--input <file>', 'what the feed reads: a file, or - for standard input', '-')
    .option('--stream <name>', 'the stream (default: TAPELINE_STREAM, else what the stack says)')
    .option('--stack <name>', 'the deployed stack whose output TapeStream names the stream', defaultStack)
    .option('--config <file>', 'the config that was deployed (default: tapeline.config.ts here, else the one that comes with Tapeline)')
    .option('--state <dir>', `the folder of the outgoing log (default: ${join(defaultStateFolder, 'feed', 'STREAM')})`)
    .option('--flush-every <ms>', 'how long trades are gathered into a frame at most', String(flushEveryMs.usual))
    .option('--symbols <list>', 'only these symbols, such as IBM,AAPL')
    .option('--from <time>', 'only trades from this time on, ISO 8601 or Unix ms')
    .option('--to <time>', 'only trades before this time')
    .option('--quarantine <file>', 'add the lines that are no trades to this file, with position and reason')
    .option('--strict', 'exit with 3 when some of the input was quarantined')
    .option('--json', 'print the summary as one JSON document')
    .addHelpText(
      'after',
      `\nAccount and region are those of the AWS command line: AWS_PROFILE, AWS_REGION and so on; AWS_ENDPOINT_URL names an emulator.\n${examples(
        [
          'my-feed | tapeline feed',
          'tapeline feed --input trades.ndjson.gz --stream tape --json',
          'tapeline feed --feed schwab --input - --stack TapelineTest --state /var/lib/tapeline-feed',
        ],
      )}`,
    )
    .action((options) => session.finish(feedVerb(options, session)));
}

type FeedArguments = StreamOptions & {
  readonly feed: string;
  readonly input: string;
  readonly config?: string;
  readonly state?: string;
  readonly flushEvery: string;
  readonly symbols?: string;
  readonly from?: string;
  readonly to?: string;
  readonly quarantine?: string;
  readonly strict?: boolean;
  readonly json?: boolean;
};

async function feedVerb(options: FeedArguments, session: Session): Promise<number> {
  formatOf(options.feed);
  const everyMs = numberOf('--flush-every', options.flushEvery, flushEveryMs);
  const filter = filterFor(options);
  const pipeline = await pipelineFor(options.config === undefined ? {} : { config: options.config });
  const streamName = await streamNameFor(options, process.env);
  const stateFolder = options.state ?? join(defaultStateFolder, 'feed', streamName);
  const outputs = quarantineOf(options);
  const progress = new Progress('feed');
  const [{ feed }, { makeKinesisClient }] = await Promise.all([import('../feed.ts'), import('../../adapters/tape/kinesis-client.ts')]);
  const client = makeKinesisClient();
  let hasBegun = false;
  try {
    const result = await feed({
      pipeline,
      client,
      streamName,
      stateFolder,
      openSource: (stateOf) => {
        hasBegun = true;
        return openWithState(options.feed, options.input, stateOf);
      },
      filter,
      flushEveryMs: everyMs,
      takeQuarantined: (lines) => {
        outputs.writeQuarantined(lines);
        // In the file before the log says that they were read.
        outputs.flush();
      },
      onProgress: (now) => progress.show({ ...now, more: waitingText(now) }),
      signal: session.signal,
    });
    progress.clear();
    return report(result, { ...options, state: stateFolder }, session);
  } catch (error) {
    progress.clear();
    if (hasBegun) session.stderr.write(`feed: what was read is kept in "${stateFolder}"; the same command goes on from there\n`);
    throw error;
  } finally {
    outputs.close();
    client.destroy();
  }
}

/** It goes on after any end, and so does its file. */
function quarantineOf({ input, quarantine, json }: FeedArguments): OutputFiles {
  const paths = quarantine === undefined ? {} : { quarantine };
  checkOutputs(paths, [input]);
  if (quarantine === '-' && json)
    throw new ConfigError('--json prints the summary to standard output, and so does --quarantine of "-"; give it a file');
  return new OutputFiles(paths, { isAdding: true });
}

function waitingText({ waitingFrames, waitingBytes, waitingSinceMs, failures }: FeedNow): string {
  const retries = Object.entries(failures).map(([code, count]) => `${countText(count)} × ${code}`);
  const lag = waitingSinceMs === undefined ? [] : [`${((Date.now() - waitingSinceMs) / 1000).toFixed(1)} s behind`];
  return [`${countText(waitingFrames)} frames (${megabytes(waitingBytes)}) wait`, ...lag, ...retries].join(', ');
}

function report(
  { summary, hasEnded, hadNothingNew }: FeedResult,
  options: FeedArguments & { readonly state: string },
  session: Session,
): number {
  const { stdout, stderr, signal, isReaderGone } = session;
  if (options.json) stdout.write(`${JSON.stringify(summary)}\n`);
  else stdout.write(linesOf(summary));
  if (hadNothingNew)
    stderr.write(`feed: the input had been read before; delete "${options.state}" or give another --state to feed it again\n`);
  if (!hasEnded) {
    const at =
      summary.lastEventTimeMs === null ? 'before the first trade' : `at event time ${new Date(summary.lastEventTimeMs).toISOString()}`;
    const { frames } = summary.waiting;
    const where =
      frames === 0 ? 'all of it is in the stream' : `${countText(frames)} frames of it wait in "${options.state}" and go first next time`;
    stderr.write(`feed: stopped ${at} after ${countText(summary.trades)} trades; ${where}; the same command goes on from here\n`);
  }
  if (signal.aborted && !isReaderGone()) return exitCodes.interrupted;
  return options.strict && summary.quarantined.total > 0 ? exitCodes.quarantined : exitCodes.done;
}

function linesOf({ stream, trades, frames, bytes, calls, retries, waiting, quarantined, feed, seconds }: FeedSummary): string {
  const counts = (byName: Readonly<Record<string, number>>) => Object.entries(byName).map(([name, count]) => `${name} ${countText(count)}`);
  const rate = (count: number) => countText(Math.round(count / Math.max(seconds, 0.001)));
  const rows: [string, string][] = [
    ['stream', stream],
    ['trades', countText(trades)],
    ['frames', `${countText(frames)} in ${countText(calls)} calls, ${megabytes(bytes)}`],
    ['put again', counts(retries).join(', ') || '0'],
    ['left to put', countText(waiting.frames)],
    ['quarantined', [countText(quarantined.total), ...counts(quarantined.byReason)].join(', ')],
    ...Object.entries(feed).map(([name, count]): [string, string] => [`feed ${name}`, countText(count)]),
    ['time', `${seconds} s, ${rate(trades)} trades/s`],
  ];
  return rows.map(([name, text]) => `${name.padEnd(21)} ${text}\n`).join('');
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
