import { decodeRecord } from '../adapters/frames/decode.ts';
import type { TradeHistory } from '../adapters/history/history.ts';
import { type TradeRow, tradesOf } from '../adapters/history/trades.ts';
import { bucketOfPartitionKey } from '../core/bucket.ts';
import type { Pipeline } from '../core/pipeline.ts';
import type { ConsumeEvent } from './consume-kinesis.ts';

export type HistoryWriterOptions = {
  readonly pipeline: Pick<Pipeline, 'bucketCount' | 'aheadMaxMs'>;
  readonly history: TradeHistory;
  /** Is told of each batch when all of it is kept. */
  readonly report?: (batch: HistoryReport) => void;
};

export type HistoryReport = { readonly records: number; readonly trades: number };

type KinesisRecords = Pick<ConsumeEvent, 'Records'>;

/**
 * Makes the handler that keeps every trade of the tape. It holds no state: a batch that comes again is the same rows again. What is no trade
 * is the consumer's to quarantine, and passed over here. @throws when the history failed: the same batch is then to be delivered again.
 */
export function makeHistoryWriter({ pipeline, history, report }: HistoryWriterOptions): (event: KinesisRecords) => Promise<void> {
  return async ({ Records }) => {
    let trades = 0;
    await history.writeTrades(counted(tradesIn(Records, pipeline), () => trades++));
    report?.({ records: Records.length, trades });
  };
}

function* tradesIn(records: KinesisRecords['Records'], { bucketCount, aheadMaxMs }: HistoryWriterOptions['pipeline']): Generator<TradeRow> {
  for (const { kinesis } of records) {
    const { data, partitionKey, sequenceNumber, approximateArrivalTimestamp } = kinesis;
    const bucket = bucketOfPartitionKey(partitionKey, bucketCount);
    const arrivalTimeMs = Math.round(approximateArrivalTimestamp * 1000);
    const record = decodeRecord({ sequenceNumber, arrivalTimeMs, data: Buffer.from(data, 'base64') }, bucket);
    yield* tradesOf(record, { bucket, bucketCount, aheadMaxMs });
  }
}

function* counted<T>(items: Iterable<T>, count: () => void): Generator<T> {
  for (const item of items) {
    count();
    yield item;
  }
}
