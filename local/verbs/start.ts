import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import { formatOf } from '../../adapters/feeds/formats.ts';
import { ConfigError } from '../../core/config.ts';
import { endpointsFor, numberOf, pipelineFor, type SharedOptions } from '../options.ts';
import { countText } from '../progress.ts';
import type { RunNow } from '../run.ts';
import { openMarketSource, type Source, sourceNameOf } from '../source.ts';
import { View } from '../view.ts';
import { openWithState, runAndReport } from './running.ts';
import type { Session } from './session.ts';
import { defaultStateFolder, examples, feedNames, withSharedOptions } from './shared-options.ts';

export function addStart(program: Command, session: Session): void {
  withSharedOptions(program.command('start', { hidden: true }), feedNames)
    .description('Watch a market turn into bars and signals: a simulated one, or a recording.')
    .argument('[file]', 'a recording, or - for standard input')
    .option('--input <file>', 'the same as the argument')
    .option('--state <dir>', 'the folder of the durable state (default: one of its own for each input and each way to look at it)')
    .option('--symbols-simulated <n>', 'tickers of the simulated market', '1500')
    .option('--rate <n>', 'its trades per second', '460')
    .option('--seed <n>', 'its seed', '7')
    .option('--backfill <seconds>', 'how much of its past is read first', '3600')
    .option('--seconds <n>', 'end after this long')
    .option('--deliver', 'deliver the signals where the config says')
    .addHelpText(
      'after',
      examples(['npm start', 'npm start -- --feed schwab level-one-equities.ndjson', 'npm start -- --rate 4600 --interval 5s']),
    )
    .action((file, options) => session.finish(startVerb(file, options, session)));
}

type StartArguments = SharedOptions & {
  readonly input?: string;
  readonly state?: string;
  readonly symbolsSimulated: string;
  readonly rate: string;
  readonly seed: string;
  readonly backfill: string;
  readonly seconds?: string;
  readonly deliver?: boolean;
};

async function startVerb(file: string | undefined, options: StartArguments, session: Session): Promise<number> {
  const input = file ?? options.input;
  const { feed = 'ndjson' } = options;
  formatOf(feed);
  const pipeline = await pipelineFor(options);
  const simulated = {
    symbols: numberOf('--symbols-simulated', options.symbolsSimulated),
    rate: numberOf('--rate', options.rate),
    seed: numberOf('--seed', options.seed),
  };
  const [name, seen] =
    input === undefined
      ? ['market', simulated]
      : [`${feed}-${input === '-' ? 'stdin' : basename(input)}`, sourceNameOf({ feed, path: input })];
  const state = options.state ?? join(defaultStateFolder, 'start', `${name}-${shortHash([seen, pipeline.fingerprint])}`);
  const market = {
    ...simulated,
    backfillMs: numberOf('--backfill', options.backfill, { least: 0 }) * 1000,
    ...(options.seconds === undefined ? {} : { seconds: numberOf('--seconds', options.seconds, { least: 0 }) }),
  };
  const what =
    input === undefined
      ? `a simulated market of ${countText(market.symbols)} tickers, ${countText(market.rate)} trades/s`
      : `${feed} from ${input}`;
  const view = new View({
    title: `Tapeline · ${what} · state in ${state} · Ctrl-C ends`,
    stream: options.json ? session.stderr : session.stdout,
  });
  let last: RunNow | undefined;
  return runAndReport({
    session,
    pipeline,
    options: { ...options, state },
    // What is only watched, or made up, concerns nobody else.
    endpoints: options.deliver === true ? await endpointsFor(options) : [],
    openSource: async (stateOf) => (input === undefined ? openMarket(market, stateOf) : openWithState(feed, input, stateOf)),
    onProgress: (now) => {
      last = now;
      view.show(now);
    },
    onEnd: () => last && view.show(last, true),
  });
}

/** Files of one name may lie in many folders, and another interval needs another state. */
function shortHash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 8);
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
