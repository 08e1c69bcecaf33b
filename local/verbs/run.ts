import type { Command } from 'commander';
import { formatOf } from '../../adapters/feeds/formats.ts';
import type { SharedOptions } from '../options.ts';
import { Progress } from '../progress.ts';
import { openWithState, runAndReport } from './running.ts';
import type { Session } from './session.ts';
import { defaultStateFolder, examples, feedNames, withSharedOptions } from './shared-options.ts';

export function addRun(program: Command, session: Session): void {
  withSharedOptions(program.command('run'), feedNames)
    .description('The live pipeline on this machine: feed → log → consumer → bars, signals, history; durable, resumes after any end.')
    .option('--input <file>', 'what the feed reads: a file, or - for standard input', '-')
    .option('--state <dir>', 'the folder of the durable state', defaultStateFolder)
    .addHelpText(
      'after',
      examples(['tapeline run --input trades.ndjson --json', 'my-feed | tapeline run --input - --state /var/lib/tapeline']),
    )
    .action((options) => session.finish(runVerb(options, session)));
}

type RunArguments = SharedOptions & { readonly input: string; readonly state: string };

async function runVerb(options: RunArguments, session: Session): Promise<number> {
  const { feed = 'ndjson', input } = options;
  formatOf(feed);
  const progress = new Progress('run');
  return runAndReport({
    session,
    options,
    openSource: (stateOf) => openWithState(feed, input, stateOf),
    onProgress: (now) => progress.show(now),
    onEnd: () => progress.clear(),
  });
}
