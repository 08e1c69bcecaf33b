import { setTimeout as sleep } from 'node:timers/promises';
import { type KinesisClient, PutRecordsCommand, type PutRecordsCommandOutput } from '@aws-sdk/client-kinesis';
import fc from 'fast-check';

/** What becomes of one PutRecords call. */
export type Fault = (typeof faults)[number];
const faults = [
  'none',
  /** The service does not take the call. */
  'throttled',
  'down',
  /** All is stored, and nobody hears of it. */
  'answer-lost',
  /** The caller has long given up when the call arrives. */
  'comes-late',
  /** Every other record is not stored. */
  'some-throttled',
  'some-throttled-first',
  /** Every other record is said not to be stored, and is. */
  'some-unsure',
  /** The last record is not stored, and the answer says nothing of it. */
  'answer-short',
] as const;

export const faultPatterns: fc.Arbitrary<Fault[]> = fc.shuffledSubarray([...faults, ...faults, 'none', 'none', 'none'], { minLength: 9 });

const lateMs = 15;
const nothing: PutRecordsCommandOutput = { FailedRecordCount: 0, Records: [], $metadata: {} };

/** A client between which and the service the calls go wrong by a pattern, which ends in a service that works. */
export class FaultyKinesis {
  readonly #client: KinesisClient;
  readonly #pattern: readonly Fault[];
  readonly #late: Promise<unknown>[] = [];
  #calls = 0;
  readonly seen = new Set<Fault>();

  constructor(client: KinesisClient, pattern: readonly Fault[]) {
    this.#client = client;
    this.#pattern = pattern;
  }

  get client(): KinesisClient {
    const send = (command: object) => (command instanceof PutRecordsCommand ? this.#put(command) : this.#client.send(command as never));
    return { send } as unknown as KinesisClient;
  }

  /** Waits for what comes late. */
  async settle(): Promise<void> {
    await Promise.all(this.#late);
  }

  async #put({ input }: PutRecordsCommand): Promise<PutRecordsCommandOutput> {
    const fault = this.#pattern[this.#calls++] ?? 'none';
    this.seen.add(fault);
    const { Records = [] } = input;
    const store = (kept = Records) => this.#client.send(new PutRecordsCommand({ ...input, Records: kept }));
    if (fault === 'throttled') throw failed('ProvisionedThroughputExceededException', 400);
    if (fault === 'down') throw failed('InternalFailure', 500);
    if (fault === 'comes-late') {
      this.#late.push(sleep(lateMs).then(() => store()));
      throw failed('TimeoutError');
    }
    if (fault === 'some-throttled' || fault === 'some-throttled-first') {
      const isKept = (i: number) => i % 2 === (fault === 'some-throttled' ? 0 : 1);
      const kept = Records.filter((_, i) => isKept(i));
      const answer = kept.length === 0 ? undefined : await store(kept);
      const stored = [...(answer?.Records ?? [])];
      const results = Records.map((_, i) => (isKept(i) ? (stored.shift() ?? {}) : refusal('ProvisionedThroughputExceededException')));
      return { FailedRecordCount: Records.length - kept.length, Records: results, $metadata: {} };
    }
    if (fault === 'answer-short') return Records.length === 1 ? nothing : store(Records.slice(0, -1));
    const answer = await store();
    if (fault === 'answer-lost') throw Object.assign(failed('Error'), { code: 'ECONNRESET' });
    if (fault === 'some-unsure')
      return { ...answer, Records: (answer.Records ?? []).map((result, i) => (i % 2 === 0 ? result : refusal('InternalFailure'))) };
    return answer;
  }
}

/** What a client throws. */
export function failed(name: string, httpStatusCode?: number): Error {
  return Object.assign(new Error(name), { name, $metadata: httpStatusCode === undefined ? {} : { httpStatusCode } });
}

function refusal(ErrorCode: string) {
  return { ErrorCode, ErrorMessage: 'not now' };
}
