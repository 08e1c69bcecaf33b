import type { DeliveryEvent } from '../adapters/delivery/events.ts';
import type { KinesisClient } from '../adapters/tape/kinesis-client.ts';
import { KinesisReader } from '../adapters/tape/kinesis-reader.ts';
import { checkBuckets, openStream } from '../adapters/tape/kinesis-stream.ts';
import type { Endpoint } from '../core/delivery.ts';
import type { Pipeline } from '../core/pipeline.ts';
import { type ConsumedNow, Consuming } from './consuming.ts';
import type { Undelivered } from './delivering.ts';
import type { ServeAddress } from './serve-address.ts';
import { makeStateFolder } from './state-folder.ts';
import type { Summary } from './summary.ts';
import { claimState } from './tape-of-state.ts';

export type RunStreamNow = ConsumedNow & {
  /** How far the shard that is furthest behind was behind the stream's end; undefined before all shards were asked. */
  readonly millisBehind: number | undefined;
};

export type RunStreamOptions = {
  readonly pipeline: Pipeline;
  readonly client: KinesisClient;
  readonly streamName: string;
  readonly stateFolder: string;
  /** Where signals are delivered to: the deployment delivers them too. */
  readonly endpoints: readonly Endpoint[];
  readonly isDigestWanted: boolean;
  /** Whether to end when all that the stream holds was folded. */
  readonly endsAtLatest: boolean;
  readonly onProgress: (now: RunStreamNow) => void;
  /** Where bars and signals are served to programs of this machine. @default nowhere */
  readonly serve?: ServeAddress | undefined;
  readonly onServing?: (url: string) => void;
  /** Is told what happens to endpoints. */
  readonly onDelivery?: ((event: DeliveryEvent) => void) | undefined;
  /** Aborted by Ctrl-C, or when the time is over: what was folded is saved. */
  readonly signal: AbortSignal;
};

export type RunStreamResult = {
  readonly summary: Summary;
  /** Numbered frames of which later ones came: the stream had forgotten them before they were read, or they are still to come. */
  readonly missingFrames: number;
  readonly undelivered: readonly Undelivered[];
};

/**
 * The consumer of a deployment on this machine: stream → driver → the handler that Lambda runs → checkpoints and outbox → history. It begins
 * at the oldest record that the stream holds, or where the state folder's last run has ended.
 */
export async function runStream(options: RunStreamOptions): Promise<RunStreamResult> {
  const {
    pipeline,
    client,
    streamName,
    stateFolder,
    endpoints,
    endsAtLatest,
    onProgress,
    serve,
    onServing = () => {},
    onDelivery,
    signal,
  } = options;
  const stream = await openStream(client, streamName);
  await checkBuckets(client, stream, pipeline.bucketCount);
  makeStateFolder(stateFolder);
  claimState(stateFolder, `the stream ${stream.arn} of ${new Date(stream.createdMs).toISOString()}`);
  const consuming = await Consuming.open(pipeline, stateFolder, endpoints, onDelivery);
  try {
    if (serve !== undefined) onServing(await consuming.serve(serve));
    const reader = new KinesisReader({ client, streamName, bucketCount: pipeline.bucketCount, positions: consuming.positions });
    while (!signal.aborted && !(endsAtLatest && reader.isCaughtUp)) {
      await reader.poll(signal);
      await consuming.consume(reader, '');
      onProgress({ ...consuming.now, millisBehind: reader.millisBehind });
    }
    await consuming.save();
    const summary = await consuming.summary({ counts: {}, rejectedByReason: {} }, options.isDigestWanted);
    const missingFrames = (await consuming.states()).reduce((sum, { counts }) => sum + counts.missingFrames, 0);
    const undelivered = await consuming.deliverRest(signal);
    return { summary, missingFrames, undelivered };
  } finally {
    await consuming.close();
  }
}
