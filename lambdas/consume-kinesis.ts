import { decodeRecord, type RawRecord } from '../adapters/frames/decode.ts';
import type { History } from '../adapters/history/history.ts';
import type { Checkpoint, CheckpointStore, Commit } from '../adapters/stores/checkpoints.ts';
import { packState, unpackState } from '../adapters/stores/state-bytes.ts';
import type { BarBatch } from '../core/bar.ts';
import { bucketOfPartitionKey } from '../core/bucket.ts';
import { BucketState, emptyOutcome, type Outcome } from '../core/bucket-state.ts';
import { advance, isAfter } from '../core/consume.ts';
import type { Pipeline } from '../core/pipeline.ts';
import { restore, snapshot } from '../core/snapshot.ts';

/** A Kinesis event, with what a tumbling window adds to it. The published types lack the shard and allow an answer without state. */
export type ConsumeEvent = {
  readonly Records: readonly {
    /** The shard, a colon, the sequence number. */
    readonly eventID?: string;
    readonly kinesis: {
      readonly data: string;
      readonly partitionKey: string;
      readonly sequenceNumber: string;
      /** Unix seconds with a fraction. */
      readonly approximateArrivalTimestamp: number;
    };
  }[];
  readonly window?: { readonly start: string; readonly end: string };
  readonly state?: TravellingState;
  readonly shardId?: string;
  readonly isFinalInvokeForWindow?: boolean;
  readonly isWindowTerminatedEarly?: boolean;
};

/**
 * What Lambda carries from one invocation of a window to the next, by bucket: the state itself, or only its version and position when the
 * checkpoint has it.
 */
export type TravellingState = { readonly buckets?: Readonly<Record<string, Travelling>> };
type Travelling = { readonly version: number; readonly sequenceNumber: string; readonly state?: string };

export type ConsumeResponse = { readonly state: TravellingState; readonly batchItemFailures: [] };

export type ConsumerOptions = {
  readonly pipeline: Pipeline;
  readonly checkpoints: CheckpointStore;
  /**
   * Takes bars, late trades and quarantined input before the state that knows them is saved; must take repeats. With `writeSignals` signals
   * too, which a history can also have from the outbox.
   */
  readonly history: Pick<History, 'writeBars' | 'writeLate' | 'writeQuarantined'> & Partial<Pick<History, 'writeSignals'>>;
  /** Is told of each batch when all of it is done. */
  readonly report?: (batch: BatchReport) => void;
};

export type BatchReport = {
  /** In the event, those included that had been folded before. */
  readonly records: number;
  /** Accepted into the fold, duplicates included. */
  readonly trades: number;
  readonly duplicates: number;
  readonly outcome: Outcome;
  /** Buckets that were saved. */
  readonly checkpoints: number;
  /** Of the states that were saved or travel on. */
  readonly stateBytes: number;
  /** From the watermark to the arrival of the last record: the largest of the buckets; undefined when no bucket has both. */
  readonly watermarkLagMs: number | undefined;
  /** Of each bucket of the batch, as it is now. */
  readonly watermarksMs: ReadonlyMap<number, number>;
};

/** Lambda ends a window early when its state passes 1 MB. */
const travellingCharactersMax = 700_000;

type Held = { state: BucketState; version: number; isSaved: boolean };

/**
 * Makes the handler that Lambda runs, and the laptop's driver too. It is right with and without `window` and `state` in the event, with no
 * records, with records it has seen, after a reshard and in a container that has slept:
 *
 *     warm container ─┐
 *     window's state ─┼─▶ the furthest ─▶ fold ─▶ history ─▶ checkpoint + outbox (one conditional write) ─▶ state
 *     checkpoint     ─┘
 *
 * Bad input is quarantined and the batch succeeds. @throws when the world failed: the same batch is then to be delivered again.
 */
export function makeConsumer({
  pipeline,
  checkpoints,
  history,
  report,
}: ConsumerOptions): (event: ConsumeEvent) => Promise<ConsumeResponse> {
  const warm = new Map<number, Held>();

  return async (event) => {
    const records = recordsByBucket(event, pipeline.bucketCount);
    const travelling = event.state?.buckets ?? {};
    const buckets = [...new Set([...records.keys(), ...Object.keys(travelling).map(Number)])].sort((a, b) => a - b);
    try {
      const held = await holdStates(buckets, travelling);
      const outcome = emptyOutcome();
      const before = countsOf(held);
      const toSave: Commit[] = [];
      for (const [bucket, holding] of held) {
        const folded = fold(holding, records.get(bucket) ?? [], outcome);
        if (folded.hasMoved) holding.isSaved = false;
        if (!holding.isSaved && (folded.hasEffects || event.isFinalInvokeForWindow || event.window === undefined)) {
          toSave.push(commitOf(holding, outcome.signals.slice(folded.firstSignal)));
        }
      }
      const saved = new Set(toSave.map(({ bucket }) => bucket));
      const travels = travellingOf([...held.values()].filter(({ state, isSaved }) => !isSaved && !saved.has(state.bucket)));
      for (const holding of travels.spilled) toSave.push(commitOf(holding, []));
      await write(outcome);
      if (toSave.length > 0) await checkpoints.commit(toSave);
      for (const { bucket } of toSave) markSaved(held.get(bucket) as Held);
      report?.({
        records: event.Records.length,
        ...difference(countsOf(held), before),
        outcome,
        checkpoints: toSave.length,
        stateBytes: toSave.reduce((bytes, { state }) => bytes + state.length, travels.bytes),
        watermarkLagMs: watermarkLagMsOf(held, records),
        watermarksMs: new Map([...held].map(([bucket, { state }]) => [bucket, state.watermarkMs])),
      });
      return { state: event.isFinalInvokeForWindow ? {} : { buckets: { ...entriesOf(held), ...travels.entries } }, batchItemFailures: [] };
    } catch (error) {
      // What is in memory may be ahead of what was saved: the next delivery starts from the checkpoint.
      for (const bucket of buckets) warm.delete(bucket);
      throw error;
    }
  };

  async function holdStates(buckets: readonly number[], travelling: NonNullable<TravellingState['buckets']>): Promise<Map<number, Held>> {
    // Also where the window brought a state: of a batch that is delivered again, the checkpoint may know more than the window does.
    const unsure = buckets.filter((bucket) => !isWarm(bucket, travelling[bucket]));
    const loaded = new Map((await checkpoints.load(unsure)).map((checkpoint) => [checkpoint.bucket, checkpoint]));
    for (const bucket of buckets) warm.set(bucket, furthest(bucket, travelling[bucket], loaded.get(bucket)));
    return new Map(buckets.map((bucket) => [bucket, warm.get(bucket) as Held]));
  }

  /** Only within a window it is known that nobody else has folded this bucket since. */
  function isWarm(bucket: number, travelling: Travelling | undefined): boolean {
    const held = warm.get(bucket);
    return (
      held !== undefined &&
      travelling !== undefined &&
      held.state.sequenceNumber === travelling.sequenceNumber &&
      held.version === travelling.version
    );
  }

  function furthest(bucket: number, travelling: Travelling | undefined, checkpoint: Checkpoint | undefined): Held {
    let best = warm.get(bucket) ?? { state: new BucketState(pipeline, bucket), version: 0, isSaved: true };
    if (travelling?.state !== undefined && isAfter(travelling.sequenceNumber, best.state.sequenceNumber)) {
      best = {
        state: restore(pipeline, unpackState(Buffer.from(travelling.state, 'base64'))),
        version: travelling.version,
        isSaved: false,
      };
    }
    if (checkpoint === undefined) return best;
    if (isAfter(checkpoint.sequenceNumber, best.state.sequenceNumber)) {
      return { state: restore(pipeline, unpackState(checkpoint.state)), version: checkpoint.version, isSaved: true };
    }
    return { ...best, version: checkpoint.version };
  }

  async function write({ bars, signals, late, quarantined }: Outcome): Promise<void> {
    if (bars.length > 0) await history.writeBars(bars);
    if (signals.length > 0) await history.writeSignals?.(signals);
    if (late.length > 0) await history.writeLate(late);
    if (quarantined.length > 0) await history.writeQuarantined(quarantined);
  }
}

function recordsByBucket(event: ConsumeEvent, bucketCount: number): Map<number, RawRecord[]> {
  const byBucket = new Map<number, RawRecord[]>();
  for (const { eventID, kinesis } of event.Records) {
    const { partitionKey, sequenceNumber, approximateArrivalTimestamp } = kinesis;
    const bucket = bucketOfPartitionKey(partitionKey, bucketCount);
    const records = byBucket.get(bucket) ?? [];
    records.push({
      sequenceNumber,
      shardId: eventID?.split(':')[0],
      arrivalTimeMs: Math.round(approximateArrivalTimestamp * 1000),
      data: Buffer.from(kinesis.data, 'base64'),
    });
    byBucket.set(bucket, records);
  }
  return byBucket;
}

function fold({ state }: Held, records: readonly RawRecord[], outcome: Outcome) {
  const firstSignal = outcome.signals.length;
  const firstBar = outcome.bars.length;
  const before = state.sequenceNumber;
  advance(state, decodeAll(records, state.bucket), outcome);
  const hasEffects = outcome.signals.length > firstSignal || hasNewBar(outcome.bars, firstBar);
  return { hasMoved: state.sequenceNumber !== before, hasEffects, firstSignal };
}

/** A revision is no reason to save: it is in the history, and folded again it is the same one. */
function hasNewBar(bars: BarBatch, from: number): boolean {
  for (let i = from; i < bars.length; i++) if (bars.at(i).rev === 0) return true;
  return false;
}

/** One at a time: a decoded frame lives only while it is folded. */
function* decodeAll(records: readonly RawRecord[], bucket: number) {
  for (const record of records) yield decodeRecord(record, bucket);
}

function commitOf({ state, version }: Held, signals: Outcome['signals']): Commit {
  return {
    bucket: state.bucket,
    expectedVersion: version,
    sequenceNumber: state.sequenceNumber,
    state: packState(snapshot(state)),
    signals,
  };
}

function markSaved(held: Held): void {
  held.version++;
  held.isSaved = true;
}

/** The unsaved states as far as they fit; the rest must go to the checkpoint. */
function travellingOf(unsaved: readonly Held[]): { entries: Record<string, Travelling>; spilled: Held[]; bytes: number } {
  const entries: Record<string, Travelling> = {};
  const spilled: Held[] = [];
  let characters = 0;
  let bytes = 0;
  for (const held of unsaved) {
    const packed = packState(snapshot(held.state));
    const state = Buffer.from(packed).toString('base64');
    characters += state.length;
    if (characters > travellingCharactersMax) {
      spilled.push(held);
      continue;
    }
    bytes += packed.length;
    entries[held.state.bucket] = { version: held.version, sequenceNumber: held.state.sequenceNumber, state };
  }
  return { entries, spilled, bytes };
}

function entriesOf(held: ReadonlyMap<number, Held>): Record<string, Travelling> {
  return Object.fromEntries([...held].map(([bucket, { state, version }]) => [bucket, { version, sequenceNumber: state.sequenceNumber }]));
}

type BatchCounts = Pick<BatchReport, 'trades' | 'duplicates'>;

function countsOf(held: ReadonlyMap<number, Held>): BatchCounts {
  const states = [...held.values()].map(({ state }) => state);
  return {
    trades: states.reduce((sum, { counts }) => sum + counts.trades, 0),
    duplicates: states.reduce((sum, { counts }) => sum + counts.duplicates, 0),
  };
}

function difference(after: BatchCounts, before: BatchCounts): BatchCounts {
  return { trades: after.trades - before.trades, duplicates: after.duplicates - before.duplicates };
}

function watermarkLagMsOf(held: ReadonlyMap<number, Held>, records: ReadonlyMap<number, readonly RawRecord[]>): number | undefined {
  const lagsMs = [...records].flatMap(([bucket, ofBucket]) => {
    const watermarkMs = held.get(bucket)?.state.watermarkMs ?? Number.NEGATIVE_INFINITY;
    const arrivalTimeMs = ofBucket.at(-1)?.arrivalTimeMs;
    return arrivalTimeMs === undefined || !Number.isFinite(watermarkMs) ? [] : [arrivalTimeMs - watermarkMs];
  });
  return lagsMs.length === 0 ? undefined : Math.max(...lagsMs);
}
