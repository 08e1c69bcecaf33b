import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { formatOf } from '../../adapters/feeds/formats.ts';
import { ConfigError } from '../../core/config.ts';
import { filterFor, pipelineFor, type SharedOptions } from '../options.ts';
import { checkOutputs, type OutputFileOptions } from '../output-files.ts';
import { Progress } from '../progress.ts';
import { replay } from '../replay.ts';
import { bucketCountOf } from '../saved-source.ts';
import { tapePath } from '../state-folder.ts';
import { exitCodeOf, printSummary } from './report.ts';
import type { Session } from './session.ts';
import { defaultStateFolder, examples, feedNames, withSharedOptions } from './shared-options.ts';

export function addReplay(program: Command, session: Session): void {
  withSharedOptions(program.command('replay'), [...feedNames, 'tape'])
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
    .action((files, options) => session.finish(replayVerb(files, options, session)));
}

type ReplayArguments = SharedOptions & OutputFileOptions & { readonly state: string };

async function replayVerb(files: readonly string[], options: ReplayArguments, session: Session): Promise<number> {
  const { feed = 'ndjson', state: stateFolder } = options;
  if (feed === 'tape') {
    if (files.length > 0) throw new ConfigError(`--feed tape reads the log of --state, and no file, received "${files.join('", "')}"`);
    if (!existsSync(tapePath(stateFolder)))
      throw new ConfigError(`there is no tape in "${stateFolder}": start "tapeline run" first, or name another folder with --state`);
  } else {
    formatOf(feed, ['tape']);
    if (files.length === 0) throw new ConfigError('replay needs a file, or - for standard input: tapeline replay trades.ndjson');
  }
  const progress = new Progress('replay');
  const { bars, signals, late, quarantine } = options;
  const outputs = { ...(bars && { bars }), ...(signals && { signals }), ...(late && { late }), ...(quarantine && { quarantine }) };
  checkOutputs(outputs, files);
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
    signal: session.signal,
  });
  printSummary(summary, options, toStandardOutput ? session.stderr : session.stdout);
  if (session.signal.aborted) session.stderr.write('replay: interrupted; the numbers are of what was read until then\n');
  return exitCodeOf(summary, options, session);
}

/** A tape's records are of its own buckets; another number would find them in the wrong ones. */
function tapeBuckets({ state, buckets }: ReplayArguments): string | undefined {
  const written = bucketCountOf(state);
  if (written === undefined || buckets === undefined || Number(buckets) === written)
    return written === undefined ? buckets : String(written);
  throw new ConfigError(`the tape in "${state}" was written in ${written} buckets, received --buckets "${buckets}"; leave the option out`);
}
