import type { Bus } from '../adapters/bus/bus.ts';
import { parseSignals } from '../adapters/bus/parse-signals.ts';
import { signalEventOf, type SignalEvent } from '../adapters/bus/signal-event.ts';
import { TapelineError } from '../adapters/errors.ts';
import type { StreamResponse, TableStreamEvent } from './events/table-stream.ts';

export type PublisherOptions = {
  readonly bus: Bus;
  /** The events' CloudEvents `source`, which names this deployment. @default '/tapeline' */
  readonly source?: string;
  /** Is told what was published and what was not. */
  readonly report?: (fact: PublishFact) => void;
};

export type PublishFact =
  | { readonly kind: 'published'; readonly events: number }
  /** It will be delivered again, with all that follows it in the stream. */
  | { readonly kind: 'unpublished'; readonly signalId: string; readonly code: string; readonly message: string }
  /** It cannot be read, now or ever: it stays in the table until its time is over. */
  | { readonly kind: 'bad-item'; readonly item: string; readonly sequenceNumber: string; readonly reason: string };

type StreamRecord = TableStreamEvent['Records'][number];
type OutboxRecord = { readonly item: string; readonly sequenceNumber: string; readonly index: number; readonly json: string };

/**
 * Makes the handler of the table's stream: what a commit has put into the outbox goes to the bus. Anything else in the stream is passed over.
 * A record that is not fully published comes again with all that follow it, and what is published twice has the same id.
 */
export function makePublisher({
  bus,
  source = '/tapeline',
  report = () => {},
}: PublisherOptions): (event: TableStreamEvent) => Promise<StreamResponse> {
  return async ({ Records }) => {
    const records = Records.flatMap((record, index) => outboxRecordOf(record, index) ?? []);
    const recordOf = new Map<SignalEvent, OutboxRecord>();
    for (const record of inOrder(records)) {
      const parsed = parseSignals(record.json);
      if (!parsed.ok) report({ kind: 'bad-item', item: record.item, sequenceNumber: record.sequenceNumber, reason: parsed.reason });
      else for (const signal of parsed.signals) recordOf.set(signalEventOf(signal, { source }), record);
    }
    if (recordOf.size === 0) return { batchItemFailures: [] };
    const unpublished = await bus.publish([...recordOf.keys()]);
    report({ kind: 'published', events: recordOf.size - unpublished.length });
    for (const { event, code, message } of unpublished) report({ kind: 'unpublished', signalId: event.id, code, message });
    return { batchItemFailures: firstOf(unpublished.map(({ event }) => recordOf.get(event) as OutboxRecord)) };
  };
}

/** @throws TapelineError `stream-without-images` when the stream is set up so that no signal could ever be read from it. */
function outboxRecordOf({ eventName, dynamodb }: StreamRecord, index: number): OutboxRecord | undefined {
  const pk = dynamodb?.Keys?.['pk']?.S ?? '';
  if (eventName !== 'INSERT' || !pk.startsWith('outbox#')) return undefined;
  if (dynamodb?.NewImage === undefined) {
    throw new TapelineError("the table's stream must carry new images (StreamViewType NEW_IMAGE), received none", {
      code: 'stream-without-images',
    });
  }
  const { Keys, NewImage, SequenceNumber = '' } = dynamodb;
  return { item: `${pk}/${Keys?.['sk']?.S}`, sequenceNumber: SequenceNumber, index, json: NewImage['signals']?.S ?? '' };
}

/** The items of one transaction may come in any order; their keys have the one that they were raised in. */
function inOrder(records: readonly OutboxRecord[]): OutboxRecord[] {
  return [...records].sort((a, b) => (a.item < b.item ? -1 : a.item > b.item ? 1 : 0));
}

function firstOf(records: readonly OutboxRecord[]): StreamResponse['batchItemFailures'] {
  const first = records.reduce<OutboxRecord | undefined>(
    (least, record) => (least === undefined || record.index < least.index ? record : least),
    undefined,
  );
  return first === undefined ? [] : [{ itemIdentifier: first.sequenceNumber }];
}
