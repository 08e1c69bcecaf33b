import { type FirehoseClient, PutRecordBatchCommand, type PutRecordBatchResponseEntry } from '@aws-sdk/client-firehose';
import type { BarBatch, LateTrade } from '../../core/bar.ts';
import type { Signal } from '../../core/signal.ts';
import { failureOf } from '../aws-failure.ts';
import { type Backoff, type Wait, waitAfterAttempt } from '../backoff.ts';
import { type CallLimits, callsOf } from '../calls.ts';
import { inParallel } from '../in-parallel.ts';
import { type History, HistoryError } from './history.ts';

export type FirehoseHistoryOptions = {
  readonly client: FirehoseClient;
  readonly barsStream: string;
  readonly signalsStream: string;
  readonly lateStream: string;
  /** Waits between attempts. @default the clock's */
  readonly wait?: Wait;
};

/**
 * A call takes 4 MiB in at most 500 records of at most 1,000 KiB before base64; a record is billed in steps of 5 KB, so that many rows share one.
 * @see https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html
 */
const limits: CallLimits<Buffer> = { itemsMax: 500, bytesMax: 4 * 1024 * 1024, bytesOf: (record) => record.length };
const recordBytesMax = 100 * 1024;
const parallelMax = 4;
const attemptsMax = 8;
const backoff: Backoff = { baseMs: 100, maxMs: 2_000 };

/**
 * Bars, signals and late trades as lines of JSON, to Firehose. It keeps every row that it is given: a repeat is one more row of the same key, of which
 * the reader takes one.
 */
export class FirehoseHistory implements Pick<History, 'writeBars' | 'writeSignals' | 'writeLate'> {
  readonly #options: FirehoseHistoryOptions;
  readonly #backoff: Backoff;

  constructor(options: FirehoseHistoryOptions) {
    this.#options = options;
    this.#backoff = { ...backoff, wait: options.wait };
  }

  /** @throws HistoryError `history-failed` when some of it was not taken */
  async writeBars(bars: BarBatch): Promise<void> {
    await this.#write(this.#options.barsStream, bars);
  }

  /** @throws HistoryError `history-failed` when some of it was not taken */
  async writeSignals(signals: readonly Signal[]): Promise<void> {
    await this.#write(this.#options.signalsStream, signals);
  }

  /** @throws HistoryError `history-failed` when some of it was not taken */
  async writeLate(late: readonly LateTrade[]): Promise<void> {
    await this.#write(this.#options.lateStream, late);
  }

  async #write(stream: string, rows: Iterable<object>): Promise<void> {
    await inParallel(callsOf(recordsOf(rows), limits), parallelMax, (call) => this.#put(stream, call));
  }

  /** One call, and again with the records that were not taken. */
  async #put(stream: string, records: readonly Buffer[]): Promise<void> {
    let open = records;
    for (let attempt = 1; ; attempt++) {
      const { retry, cause } = await this.#putOnce(stream, open);
      if (retry.length === 0) return;
      if (attempt === attemptsMax) {
        throw new HistoryError(
          'history-failed',
          `the delivery stream "${stream}" did not take ${retry.length} records in ${attempt} attempts`,
          cause,
        );
      }
      open = retry;
      await waitAfterAttempt(attempt, this.#backoff);
    }
  }

  async #putOnce(stream: string, records: readonly Buffer[]): Promise<{ retry: readonly Buffer[]; cause?: unknown }> {
    try {
      const Records = records.map((Data) => ({ Data }));
      const { FailedPutCount = 0, RequestResponses = [] } = await this.#options.client.send(
        new PutRecordBatchCommand({ DeliveryStreamName: stream, Records }),
      );
      if (FailedPutCount === 0) return { retry: [] };
      return { retry: records.filter((_, i) => !isTaken(RequestResponses[i])), cause: reasonsOf(RequestResponses) };
    } catch (cause) {
      const failure = failureOf(cause);
      if (failure === 'ours') throw cause;
      if (failure === 'passing' || (cause as Error).name === 'ServiceUnavailableException') return { retry: records, cause };
      throw new HistoryError('history-failed', `the delivery stream "${stream}" refused a batch; check its name and permissions`, cause);
    }
  }
}

/** Rows as lines, as many in a record as it may hold: Firehose takes documents one after the other, and no arrays. */
function recordsOf(rows: Iterable<object>): Buffer[] {
  const records: Buffer[] = [];
  let lines = '';
  for (const row of rows) {
    const line = `${JSON.stringify(row)}\n`;
    if (lines !== '' && lines.length + line.length > recordBytesMax) {
      records.push(Buffer.from(lines));
      lines = '';
    }
    lines += line;
  }
  if (lines !== '') records.push(Buffer.from(lines));
  return records;
}

function isTaken(response: PutRecordBatchResponseEntry | undefined): boolean {
  return response?.RecordId !== undefined && response.ErrorCode === undefined;
}

function reasonsOf(responses: readonly PutRecordBatchResponseEntry[]): Error {
  const reasons = new Set(
    responses.flatMap(({ ErrorCode, ErrorMessage }) => (ErrorCode === undefined ? [] : `${ErrorCode}: ${ErrorMessage}`)),
  );
  return new Error([...reasons].join('; '));
}
