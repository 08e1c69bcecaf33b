import type { DeliveryEvent } from '../adapters/delivery/events.ts';
import { SqliteTape } from '../adapters/tape/sqlite-tape.ts';
import { isAfter } from '../core/consume.ts';
import type { Endpoint } from '../core/delivery.ts';
import type { Pipeline } from '../core/pipeline.ts';
import { type ConsumedNow, Consuming } from './consuming.ts';
import type { Undelivered } from './delivering.ts';
import { type FedNow, Feeding } from './feeding.ts';
import type { TradeFilter } from './filter.ts';
import { feedCountsOf, savedSource } from './saved-source.ts';
import type { ServeAddress } from './serve-address.ts';
import type { Source } from './source.ts';
import { makeStateFolder, tapePath } from './state-folder.ts';
import type { Summary } from './summary.ts';
import { claimState, ownTape } from './tape-of-state.ts';

/** What a watcher of a running pipeline is told now and then. */
export type RunNow = FedNow & Omit<ConsumedNow, 'folded'>;

export type RunOptions = {
  readonly pipeline: Pipeline;
  readonly stateFolder: string;
  /** Where signals are delivered to, while it runs and at its end until nothing is due any more. */
  readonly endpoints: readonly Endpoint[];
  /** Opened with the state that the tape remembers of it. */
  readonly openSource: (stateOf: (name: string) => string | undefined) => Promise<Source>;
  readonly filter: TradeFilter;
  readonly isDigestWanted: boolean;
  readonly onProgress: (now: RunNow) => void;
  /** All was read, and so many signals are still to be delivered. */
  readonly onDelivering: (signals: number) => void;
  /** Where bars and signals are served to programs of this machine. @default nowhere */
  readonly serve?: ServeAddress | undefined;
  readonly onServing?: (url: string) => void;
  /** Is told what happens to endpoints. */
  readonly onDelivery?: ((event: DeliveryEvent) => void) | undefined;
  /** Aborted by Ctrl-C: the run saves what it has read and ends. */
  readonly signal: AbortSignal;
};

export type RunResult = {
  readonly summary: Summary;
  readonly hasEnded: boolean;
  readonly hadNothingNew: boolean;
  readonly undelivered: readonly Undelivered[];
};

const commitEveryMs = 100;
const shardId = 'shardId-000000000000';

/**
 * The whole way on this machine: feed → frames → durable log → driver → the handler that Lambda runs → checkpoints and outbox →
 * history. Whatever ends it, the next run with the same state folder goes on as if nothing had been.
 */
export async function run({
  pipeline,
  stateFolder,
  endpoints,
  openSource,
  filter,
  isDigestWanted,
  onProgress,
  onDelivering,
  serve,
  onServing = () => {},
  onDelivery,
  signal,
}: RunOptions): Promise<RunResult> {
  makeStateFolder(stateFolder);
  claimState(stateFolder, ownTape);
  const consuming = await Consuming.open(pipeline, stateFolder, endpoints, onDelivery);
  const tape = new SqliteTape(tapePath(stateFolder));
  try {
    if (serve !== undefined) onServing(await consuming.serve(serve));
    const startAfter = startPosition(pipeline, consuming.positions);
    const feeding = new Feeding({
      pipeline,
      tape,
      shardId,
      producerId: 'local',
      filter,
      commitEveryMs,
      takeQuarantined: consuming.takeQuarantined,
      onCommitted: async (_, fed) => {
        await consuming.consume(tape, startAfter);
        onProgress({ ...fed, ...consuming.now });
      },
      signal,
    });
    const source = await openSource((name) => savedSource(tape, name)?.source);
    await consuming.consume(tape, startAfter);
    const { hasEnded, trades, wasReadBefore } = await feeding.readAll(source);
    await consuming.save();
    const feed = { counts: feedCountsOf(tape), rejectedByReason: tape.quarantinedByReason() };
    const summary = await consuming.summary(feed, isDigestWanted);
    onDelivering(await consuming.undelivered());
    const undelivered = await consuming.deliverRest(signal);
    return { summary, hasEnded, hadNothingNew: trades === 0 && wasReadBefore, undelivered };
  } finally {
    await consuming.close();
    tape.close();
  }
}

/** What every bucket has saved; the buckets that have saved more skip what they know. */
function startPosition({ bucketCount }: Pipeline, positions: ReadonlyMap<number, string>): string {
  if (positions.size < bucketCount) return '';
  return [...positions.values()].reduce((least, position) => (isAfter(least, position) ? position : least));
}
