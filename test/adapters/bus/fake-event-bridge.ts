import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import type { SignalEvent } from '../../../adapters/bus/signal-event.ts';
import { account } from '../../aws/table.ts';
import { type Answer, HttpService, type Request } from '../../http-service.ts';

type PutEntry = { readonly EventBusName: string; readonly Source: string; readonly DetailType: string; readonly Detail: string };

/** What becomes of one entry: taken, or its error code. */
export type Verdict = 'taken' | string;

export type FakeOptions = {
  /** @default every entry is taken */
  readonly judge?: (event: SignalEvent) => Verdict;
  /** An entry with which a whole call is invalid. @default none */
  readonly isInvalid?: (event: SignalEvent) => boolean;
  /** The status and error of a whole call, counted from 1, or what becomes of its connection; undefined for an answer. @default none */
  readonly failCall?: (call: number) => { readonly status: number; readonly type: string } | 'cut' | 'silent' | undefined;
};

/** EventBridge as it is seen from outside: PutEvents over HTTP, and the limits of a call, on this machine. */
export class FakeEventBridge extends HttpService {
  /** Events that were taken, in order. */
  readonly taken: SignalEvent[] = [];
  readonly calls: PutEntry[][] = [];
  #options: FakeOptions = {};

  get client(): EventBridgeClient {
    const requestHandler = { requestTimeout: 500, throwOnRequestTimeout: true };
    return new EventBridgeClient({ ...account, endpoint: this.endpoint, maxAttempts: 1, requestHandler });
  }

  reset(options: FakeOptions = {}): void {
    this.#options = options;
    this.taken.length = 0;
    this.calls.length = 0;
  }

  protected answerTo({ headers, body }: Request): Answer {
    if (headers['x-amz-target'] !== 'AWSEvents.PutEvents') return refused(400, 'UnknownOperationException');
    const { Entries } = JSON.parse(body.toString()) as { Entries: PutEntry[] };
    this.calls.push(Entries);
    const failure = this.#options.failCall?.(this.calls.length);
    if (failure === 'cut' || failure === 'silent') return failure;
    if (failure !== undefined) return refused(failure.status, failure.type);
    if (Entries.length === 0 || Entries.length > 10 || sizeOf(Entries) >= 1_000_000) return refused(400, 'ValidationException');
    const events = Entries.map(({ Detail }) => JSON.parse(Detail) as SignalEvent);
    if (events.some((event) => this.#options.isInvalid?.(event))) return refused(400, 'ValidationException');
    const results = events.map((event) => this.#judge(event));
    return { status: 200, body: { FailedEntryCount: results.filter((result) => 'ErrorCode' in result).length, Entries: results } };
  }

  #judge(event: SignalEvent): { EventId: string } | { ErrorCode: string; ErrorMessage: string } {
    const verdict = this.#options.judge?.(event) ?? 'taken';
    if (verdict !== 'taken') return { ErrorCode: verdict, ErrorMessage: `as told: ${verdict}` };
    this.taken.push(event);
    return { EventId: `event-${this.taken.length}` };
  }
}

function sizeOf(entries: readonly PutEntry[]): number {
  return entries.reduce((sum, entry) => sum + Buffer.byteLength(entry.Source + entry.DetailType + entry.Detail), 0);
}

function refused(status: number, type: string): Answer {
  return { status, body: { __type: type, message: `as told: ${type}` } };
}
