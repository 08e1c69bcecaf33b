import type { Bus, RefusedSignals } from '../adapters/bus/bus.ts';
import { parseSignals } from '../adapters/bus/parse-signals.ts';
import { signalEventOf, type SignalEvent } from '../adapters/bus/signal-event.ts';
import { TapelineError } from '../adapters/errors.ts';
import type { StreamResponse, TableStreamEvent } from './events/table-stream.ts';

export type PublisherOptions = {
  readonly bus: Bus;
  /** Keeps what the bus will never take, so that nothing waits behind it. */
  readonly refused: RefusedSignals;
  /** The events' CloudEvents `source`, which names this deployment. @default '/tapeline' */
  readonly source?: string;
  /** Is told what was published and what was not. */
  readonly report?: (fact: PublishFact) => void;
};

export type PublishFact =
  | { readonly kind: 'published'; readonly events: number }
  /** It will be delivered again, with all that follows it in the stream. */
  | { readonly kind: 'unpublished'; readonly signalId: string; readonly code: string; readonly message: string }
  /** It will never be on the bus, and is kept aside. */
  | { readonly kind: 'refused'; readonly signalId: string; readonly code: string; readonly message: string }
  /** It cannot be read, now or ever: it stays in the table until its time is over. */
  | { readonly kind: 'bad-item'; readonly item: string; readonly sequenceNumber: string; readonly reason: string };

/** As Lambda's. @default there is time */
type Context = { readonly getRemainingTimeInMillis: () => number };

type StreamRecord = TableStreamEvent['Records'][number];
type OutboxRecord = {
  readonly partition: string;
  readonly sort: string;
  /** Of all parts of a commit the same. */
  readonly expiresAtSec: string;
  readonly sequenceNumber: string;
  readonly json: string;
};
type Slice = { readonly records: OutboxRecord[]; readonly recordOf: Map<SignalEvent, OutboxRecord> };

/** Events that are published before the clock is asked again, and the time that they take when every attempt of a call hangs. */
const sliceEvents = 200;
const sliceMaxMs = 35_000;

/**
 * Makes the handler of the table's stream: what a commit has put into the outbox goes to the bus. Anything else in the stream is passed over.
 * A record that is not fully published comes again with all that follow it, and what is published twice has the same id. What the bus will never
 * take is kept aside, and the stream goes on.
 */
export function makePublisher({
  bus,
  refused,
  source = '/tapeline',
  report = () => {},
}: PublisherOptions): (event: TableStreamEvent, context?: Context) => Promise<StreamResponse> {
  return async ({ Records }, context) => {
    const open = new Set(Records.flatMap((record) => outboxRecordOf(record) ?? []));
    let isBegun = false;
    for (const { records, recordOf } of slicesOf(commitsOf([...open]), eventsOf)) {
      // The first slice goes however little time there is, or nothing ever would.
      if (isBegun && context !== undefined && context.getRemainingTimeInMillis() < sliceMaxMs) return comesAgain(open);
      isBegun = true;
      const unpublished = await bus.publish([...recordOf.keys()]);
      report({ kind: 'published', events: recordOf.size - unpublished.length });
      for (const { event, code, message, isRefused } of unpublished)
        report({ kind: isRefused ? 'refused' : 'unpublished', signalId: event.id, code, message });
      await refused.keep(unpublished.filter(({ isRefused }) => isRefused));
      const failed = new Set(unpublished.flatMap(({ event, isRefused }) => (isRefused ? [] : [recordOf.get(event)])));
      for (const record of records) if (!failed.has(record)) open.delete(record);
      // What follows would come again anyway.
      if (failed.size > 0) return comesAgain(open);
    }
    return { batchItemFailures: [] };
  };

  function eventsOf(record: OutboxRecord): SignalEvent[] {
    const parsed = parseSignals(record.json);
    if (parsed.ok) return parsed.signals.map((signal) => signalEventOf(signal, { source }));
    report({ kind: 'bad-item', item: `${record.partition}/${record.sort}`, sequenceNumber: record.sequenceNumber, reason: parsed.reason });
    return [];
  }
}

/** @throws TapelineError `stream-without-images` when the stream is set up so that no signal could ever be read from it. */
function outboxRecordOf({ eventName, dynamodb }: StreamRecord): OutboxRecord | undefined {
  const { Keys, NewImage, SequenceNumber = '' } = dynamodb ?? {};
  const partition = Keys?.['pk']?.S ?? '';
  // After a restore to an older state, versions are committed once more: their items replace those that are still there.
  const isWritten = eventName === 'INSERT' || eventName === 'MODIFY';
  if (!isWritten || !partition.startsWith('outbox#')) return undefined;
  if (NewImage === undefined) {
    throw new TapelineError("the table's stream must carry new images (StreamViewType NEW_IMAGE), received none", {
      code: 'stream-without-images',
    });
  }
  const [sort = '', expiresAtSec = '', json = ''] = [Keys?.['sk']?.S, NewImage['expiresAtSec']?.N, NewImage['signals']?.S];
  return { partition, sort, expiresAtSec, sequenceNumber: SequenceNumber, json };
}

/**
 * By commit, in the stream's order. The items of one transaction may come in any order; their keys have the one they were raised in. Two commits
 * of one version, before and after a restore, differ in the time at which they were made.
 */
function commitsOf(records: readonly OutboxRecord[]): OutboxRecord[][] {
  const commits = Map.groupBy(records, ({ partition, sort, expiresAtSec }) => `${partition}/${sort.split('#', 1)[0]}/${expiresAtSec}`);
  return [...commits.values()].map((parts) => parts.sort((a, b) => (a.sort < b.sort ? -1 : 1)));
}

/** Whole commits, as many as make up a slice; each is read when its turn comes. */
function* slicesOf(commits: readonly OutboxRecord[][], eventsOf: (record: OutboxRecord) => SignalEvent[]): Generator<Slice> {
  let slice: Slice = { records: [], recordOf: new Map() };
  for (const records of commits) {
    slice.records.push(...records);
    for (const record of records) for (const event of eventsOf(record)) slice.recordOf.set(event, record);
    if (slice.recordOf.size < sliceEvents) continue;
    yield slice;
    slice = { records: [], recordOf: new Map() };
  }
  if (slice.recordOf.size > 0) yield slice;
}

/** What is open is in the stream's order. */
function comesAgain(open: ReadonlySet<OutboxRecord>): StreamResponse {
  const [first] = open;
  return { batchItemFailures: first === undefined ? [] : [{ itemIdentifier: first.sequenceNumber }] };
}
