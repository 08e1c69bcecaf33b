import { resolve } from 'node:path';
import type { Endpoint } from '../../core/delivery.ts';
import type { Pipeline } from '../../core/pipeline.ts';
import { filterFor, pipelineFor, type SharedOptions } from '../options.ts';
import { countText } from '../progress.ts';
import { type RunNow, run } from '../run.ts';
import type { ServeAddress } from '../serve-address.ts';
import { openFileSource, type Source, sourceNameOf } from '../source.ts';
import { exitCodeOf, printSummary, tellEndpoint, tellServing, tellUndelivered } from './report.ts';
import type { Session } from './session.ts';

type Running = {
  readonly session: Session;
  readonly pipeline?: Pipeline;
  readonly options: SharedOptions & { readonly state: string };
  readonly endpoints: readonly Endpoint[];
  readonly serve?: ServeAddress | undefined;
  readonly openSource: (stateOf: (name: string) => string | undefined) => Promise<Source>;
  readonly onProgress: (now: RunNow) => void;
  readonly onEnd: () => void;
};

/** Runs until the input or the user ends it, and says what came of it. */
export async function runAndReport({
  session,
  pipeline,
  options,
  endpoints,
  serve,
  openSource,
  onProgress,
  onEnd,
}: Running): Promise<number> {
  const { summary, hasEnded, hadNothingNew, undelivered } = await run({
    pipeline: pipeline ?? (await pipelineFor(options)),
    stateFolder: options.state,
    endpoints,
    openSource,
    filter: filterFor(options),
    isDigestWanted: options.json === true,
    onProgress,
    onDelivering: (signals) => {
      onEnd();
      if (signals > 0) session.stderr.write(`run: everything is read; delivering ${countText(signals)} signals\n`);
    },
    serve,
    onServing: (url) => tellServing(url, session.stderr),
    onDelivery: (event) => tellEndpoint(event, session.stderr, onEnd),
    signal: session.signal,
  });
  onEnd();
  if (hasEnded || options.json) printSummary(summary, options, session.stdout);
  tellUndelivered(undelivered, options.state, session.stderr);
  if (hadNothingNew)
    session.stderr.write(
      `run: the input had been read before; "${options.state}" holds its result, delete it or give another --state to begin anew\n`,
    );
  if (summary.late > summary.trades / 10) {
    session.stderr.write(
      `run: ${countText(summary.late)} of ${countText(summary.trades)} trades came after their windows were gone; give input that is older than what "${options.state}" holds a --state of its own\n`,
    );
  }
  if (!hasEnded) {
    const until =
      summary.lastEventTimeMs === null ? 'before the first trade' : `at event time ${new Date(summary.lastEventTimeMs).toISOString()}`;
    session.stderr.write(
      `run: stopped ${until} after ${countText(summary.trades)} trades; everything read is saved in "${options.state}", the same command goes on from here\n`,
    );
  }
  return exitCodeOf(summary, options, session);
}

/** The input, from where the state folder says that it was read to. Its positions name it whole: files of one name may come from many folders. */
export async function openWithState(feed: string, path: string, stateOf: (name: string) => string | undefined): Promise<Source> {
  return openFileSource({ feed, path, label: resolve(path), from: stateOf(sourceNameOf({ feed, path })) });
}
