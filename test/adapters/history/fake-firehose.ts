import { FirehoseClient } from '@aws-sdk/client-firehose';
import { account } from '../../aws/table.ts';
import { type Answer, HttpService, type Request } from '../../http-service.ts';

type Call = { readonly stream: string; readonly records: readonly string[]; readonly bytes: number };

export type FakeOptions = {
  /** The error code of one record, counted from 0 over all calls; undefined where it is taken. @default every record is taken */
  readonly judge?: (record: number) => string | undefined;
  /** The error of a whole call, counted from 1; undefined for an answer. @default none */
  readonly failCall?: (call: number) => { readonly status: number; readonly type: string } | 'cut' | undefined;
};

/** Firehose as it is seen from outside: PutRecordBatch over HTTP, and the limits of a call, on this machine. */
export class FakeFirehose extends HttpService {
  readonly calls: Call[] = [];
  /** Rows that were taken, by stream, in order. */
  readonly taken = new Map<string, unknown[]>();
  #options: FakeOptions = {};
  #records = 0;

  get client(): FirehoseClient {
    return new FirehoseClient({ ...account, maxAttempts: 1, endpoint: this.endpoint });
  }

  reset(options: FakeOptions = {}): void {
    this.#options = options;
    this.#records = 0;
    this.calls.length = 0;
    this.taken.clear();
  }

  protected answerTo({ headers, body }: Request): Answer {
    const target = headers['x-amz-target'];
    if (target !== 'Firehose_20150804.PutRecordBatch') return refused(400, 'UnknownOperationException');
    const { DeliveryStreamName, Records } = JSON.parse(body.toString()) as { DeliveryStreamName: string; Records: { Data: string }[] };
    const records = Records.map(({ Data }) => Buffer.from(Data, 'base64').toString());
    const bytes = records.reduce((sum, record) => sum + Buffer.byteLength(record), 0);
    this.calls.push({ stream: DeliveryStreamName, records, bytes });
    const failure = this.#options.failCall?.(this.calls.length);
    if (failure === 'cut') return 'cut';
    if (failure !== undefined) return refused(failure.status, failure.type);
    const isTooMuch = records.length > 500 || bytes > 4 * 1024 * 1024 || records.some((record) => Buffer.byteLength(record) > 1_000 * 1024);
    if (records.length === 0 || isTooMuch) return refused(400, 'InvalidArgumentException');
    const responses = records.map((record) => this.#take(DeliveryStreamName, record));
    return {
      status: 200,
      body: { FailedPutCount: responses.filter((response) => 'ErrorCode' in response).length, RequestResponses: responses },
    };
  }

  #take(stream: string, record: string): object {
    const code = this.#options.judge?.(this.#records++);
    if (code !== undefined) return { ErrorCode: code, ErrorMessage: `as told: ${code}` };
    const rows = this.taken.get(stream) ?? [];
    // Documents one after the other, as Firehose splits them.
    rows.push(
      ...record
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    );
    this.taken.set(stream, rows);
    return { RecordId: `record-${this.#records}` };
  }
}

function refused(status: number, type: string): Answer {
  return { status, body: { __type: type, message: `as told: ${type}` } };
}
