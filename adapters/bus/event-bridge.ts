import {
  type EventBridgeClient,
  PutEventsCommand,
  type PutEventsRequestEntry,
  type PutEventsResultEntry,
} from '@aws-sdk/client-eventbridge';
import { failureOf } from '../aws-failure.ts';
import { type Backoff, type Wait, waitAfterAttempt } from '../backoff.ts';
import { type CallLimits, callsOf } from '../calls.ts';
import { inParallel } from '../in-parallel.ts';
import type { Bus, Unpublished } from './bus.ts';
import type { SignalEvent } from './signal-event.ts';

export type EventBridgeBusOptions = {
  readonly client: EventBridgeClient;
  readonly busName: string;
  /** EventBridge's own `source`, which rules match on. @default 'tapeline' */
  readonly eventSource?: string;
  /** Waits between attempts. @default the clock's */
  readonly wait?: Wait;
};

/**
 * A call takes less than 1 MB in at most 10 entries.
 * @see https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
 */
const limits: CallLimits<Entry> = { itemsMax: 10, bytesMax: 999_999, bytesOf: ({ bytes }) => bytes };
const parallelMax = 8;
const attemptsMax = 6;
const backoff: Backoff = { baseMs: 100, maxMs: 2_000 };
const passingCodes = new Set(['InternalFailure', 'InternalException', 'ThrottlingException']);
/**
 * The entry's own fault, of the service's answers and ours; what else it does not take is a matter of permissions, which can be set right.
 * @see https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html
 */
const refusedCodes = new Set(['InvalidArgument', 'MalformedDetail', 'RedactionFailure', 'ValidationException', 'entry-too-large']);

type Failure = Omit<Unpublished, 'event'>;
type Entry = {
  readonly event: SignalEvent;
  readonly request: PutEventsRequestEntry;
  readonly bytes: number;
  failure?: Failure | undefined;
};
/** `isTaken`: the service took the call, and said of each entry what became of it. */
type Attempt = { readonly isTaken: boolean; readonly retry: readonly Entry[] };

/**
 * Publishes to an EventBridge bus. In a round each (symbol, strategy) has at most one entry, so that entries can fail and be tried again by
 * themselves and still keep their order. When the service as a whole does not take any more, it is left in peace.
 */
export class EventBridgeBus implements Bus {
  readonly #options: EventBridgeBusOptions;
  readonly #backoff: Backoff;

  constructor(options: EventBridgeBusOptions) {
    this.#options = options;
    this.#backoff = { ...backoff, wait: options.wait };
  }

  async publish(events: readonly SignalEvent[]): Promise<Unpublished[]> {
    const entries = events.map((event) => this.#entryOf(event));
    const lanes = [...Map.groupBy(entries, ({ event }) => `${event.data.strategy}\u0000${event.data.symbol}`).values()];
    const service = { isDown: false };
    for (let round = 0; lanes.some((lane) => round < lane.length); round++) {
      const calls = callsOf(
        lanes.flatMap((lane) => openEntry(lane, round) ?? []),
        limits,
      );
      await inParallel(calls, parallelMax, (call) => this.#put(call, service));
    }
    return entries.flatMap(({ event, failure }) => (failure === undefined ? [] : { event, ...failure }));
  }

  #entryOf(event: SignalEvent): Entry {
    const { busName, eventSource = 'tapeline' } = this.#options;
    const request = { EventBusName: busName, Source: eventSource, DetailType: event.type, Detail: JSON.stringify(event) };
    const bytes = bytesOf(request);
    if (bytes <= limits.bytesMax) return { event, request, bytes };
    const message = `a call takes ${limits.bytesMax} bytes, and this entry has ${bytes}`;
    return { event, request, bytes, failure: failureWith('entry-too-large', message) };
  }

  /** One call, and again with the entries that failed for a reason that may pass. */
  async #put(call: readonly Entry[], service: { isDown: boolean }): Promise<void> {
    let open = call;
    for (let attempt = 1; ; attempt++) {
      if (service.isDown) {
        for (const entry of open) entry.failure ??= failureWith('not-attempted', 'the service did not take the calls before this one');
        return;
      }
      const { isTaken, retry } = await this.#putOnce(open);
      if (retry.length === 0 || attempt === attemptsMax) {
        service.isDown ||= !isTaken;
        return;
      }
      open = retry;
      await waitAfterAttempt(attempt, this.#backoff);
    }
  }

  async #putOnce(entries: readonly Entry[]): Promise<Attempt> {
    try {
      const { Entries: results = [] } = await this.#options.client.send(
        new PutEventsCommand({ Entries: entries.map(({ request }) => request) }),
      );
      for (const [i, entry] of entries.entries()) entry.failure = failureOfEntry(results[i]);
      return { isTaken: true, retry: entries.filter(({ failure }) => failure !== undefined && passingCodes.has(failure.code)) };
    } catch (error) {
      const failure = failureOf(error);
      if (failure === 'ours') throw error;
      const { name, message } = error as Error;
      if (name === 'ValidationException' && entries.length > 1) return this.#putApart(entries);
      fail(entries, failureWith(name, message));
      return { isTaken: name === 'ValidationException', retry: failure === 'passing' ? entries : [] };
    }
  }

  /** Of a call that is not valid, one entry may be at fault, and its neighbours are not. */
  async #putApart(entries: readonly Entry[]): Promise<Attempt> {
    const attempts: Attempt[] = [];
    for (const entry of entries) attempts.push(await this.#putOnce([entry]));
    return { isTaken: attempts.every(({ isTaken }) => isTaken), retry: attempts.flatMap(({ retry }) => retry) };
  }
}

/** The lane's entry of this round, if it may go. */
function openEntry(lane: readonly Entry[], round: number): Entry | undefined {
  const entry = lane[round];
  if (entry === undefined) return undefined;
  // Behind one that is refused for good it goes on: waiting would be for ever.
  const isHeldBack = lane.slice(0, round).some(({ failure }) => failure !== undefined && !failure.isRefused);
  if (isHeldBack) fail([entry], failureWith('behind-unpublished', 'an earlier event of this symbol and strategy is not published'));
  return entry.failure === undefined ? entry : undefined;
}

/** @see https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents-size.html */
function bytesOf({ Source = '', DetailType = '', Detail = '' }: PutEventsRequestEntry): number {
  return Buffer.byteLength(Source) + Buffer.byteLength(DetailType) + Buffer.byteLength(Detail);
}

function failureOfEntry(result: PutEventsResultEntry | undefined): Failure | undefined {
  if (result?.EventId !== undefined && result.ErrorCode === undefined) return undefined;
  return failureWith(result?.ErrorCode ?? 'InternalFailure', result?.ErrorMessage ?? 'the service did not say what became of it');
}

function failureWith(code: string, message: string): Failure {
  return { code, message, isRefused: refusedCodes.has(code) };
}

function fail(entries: readonly Entry[], failure: Failure): void {
  for (const entry of entries) entry.failure = failure;
}
