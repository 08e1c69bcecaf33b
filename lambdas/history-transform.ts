import { decodeRecord } from '../adapters/frames/decode.ts';
import { type TradeRow, tradesOf } from '../adapters/history/trades.ts';
import { bucketOfPartitionKey } from '../core/bucket.ts';
import type { Pipeline } from '../core/pipeline.ts';
import type { QuarantineReason } from '../core/reasons.ts';

/** What Firehose hands over of a stream, as far as we read it. */
export type TransformEvent = {
  readonly records: readonly {
    readonly recordId: string;
    readonly data: string;
    readonly kinesisRecordMetadata: {
      readonly sequenceNumber: string;
      readonly partitionKey: string;
      /** Unix milliseconds. */
      readonly approximateArrivalTimestamp: number;
    };
  }[];
};

export type TransformResponse = { readonly records: readonly TransformedRecord[] };

type TransformedRecord =
  | { readonly recordId: string; readonly result: 'Ok'; readonly data: string }
  /** Nothing of it is for the history. */
  | { readonly recordId: string; readonly result: 'Dropped' }
  /** Firehose keeps it aside as it came. */
  | { readonly recordId: string; readonly result: 'ProcessingFailed' };

export type TransformOptions = {
  readonly pipeline: Pick<Pipeline, 'bucketCount' | 'aheadMaxMs'>;
  readonly report?: (batch: TransformReport) => void;
};

export type TransformReport = {
  readonly records: number;
  readonly trades: number;
  readonly failed: readonly { readonly sequenceNumber: string; readonly reason: QuarantineReason | 'answer-too-large' }[];
};

type StreamRecord = TransformEvent['records'][number];
type Lines = { readonly text: string; readonly trades: number; readonly reason: QuarantineReason | undefined };

/** Lambda's answer has at most 6 MB; a little is left for the record ids. @see https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html */
const answerCharactersMax = 5_900_000;
const idCharacters = 200;

/**
 * Makes the handler that turns each frame of the tape into its trades, a line of JSON each, one behind the other as Firehose takes them. A frame of
 * which nothing can be read, or whose trades outgrow the answer, fails alone and is kept as it came; its neighbours go on. A bad trade among good
 * ones is the consumer's to quarantine, and left out.
 */
export function makeTradeTransform({ pipeline, report }: TransformOptions): (event: TransformEvent) => Promise<TransformResponse> {
  return async ({ records }) => {
    const failed: TransformReport['failed'][number][] = [];
    let trades = 0;
    let characters = 0;
    const answer = records.map((record): TransformedRecord => {
      const {
        recordId,
        kinesisRecordMetadata: { sequenceNumber },
      } = record;
      const lines = linesOf(record, pipeline);
      const data = Buffer.from(lines.text).toString('base64');
      characters += idCharacters;
      const reason = lines.reason ?? (characters + data.length > answerCharactersMax ? 'answer-too-large' : undefined);
      if (reason !== undefined) {
        failed.push({ sequenceNumber, reason });
        return { recordId, result: 'ProcessingFailed' };
      }
      characters += data.length;
      trades += lines.trades;
      return lines.trades === 0 ? { recordId, result: 'Dropped' } : { recordId, result: 'Ok', data };
    });
    report?.({ records: records.length, trades, failed });
    return { records: answer };
  };
}

function linesOf({ data, kinesisRecordMetadata }: StreamRecord, { bucketCount, aheadMaxMs }: TransformOptions['pipeline']): Lines {
  const { sequenceNumber, partitionKey, approximateArrivalTimestamp } = kinesisRecordMetadata;
  const bucket = bucketOfPartitionKey(partitionKey, bucketCount);
  const raw = { sequenceNumber, arrivalTimeMs: approximateArrivalTimestamp, data: Buffer.from(data, 'base64') };
  const record = decodeRecord(raw, bucket);
  let text = '';
  let trades = 0;
  for (const trade of tradesOf(record, { bucket, bucketCount, aheadMaxMs })) {
    text += `${JSON.stringify(documentOf(trade))}\n`;
    trades++;
  }
  return { text, trades, reason: trades === 0 ? record.rejected[0]?.reason : undefined };
}

/** What is not there is left out: a column of Parquet is null then, and the answer smaller. */
function documentOf({ tradeId, conditions, ...trade }: TradeRow): object {
  return { ...trade, ...(tradeId !== null && { tradeId }), ...(conditions.length > 0 && { conditions }) };
}
