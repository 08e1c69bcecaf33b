import { bucketOf } from '../../core/bucket.ts';
import type { TapeRecord } from '../../core/consume.ts';
import { type Frame, heartbeatIndex, latestMsOf } from '../../core/frame.ts';

/** A trade as the history keeps it: one row for each `entry`. */
export type TradeRow = {
  readonly symbol: string;
  readonly eventTimeMs: number;
  readonly price: number;
  readonly size: number;
  readonly tradeId: string | null;
  readonly conditions: readonly string[];
  /** Where the trade stands among all: the same for a frame that is put, delivered or read again. */
  readonly entry: string;
};

export type TradeLimits = {
  readonly bucket: number;
  /** @default nobody looks whether a symbol is of the bucket */
  readonly bucketCount?: number;
  readonly aheadMaxMs: number;
};

/** The trades of a record that are not to be quarantined, in its order: late and repeated ones too, bad ones not. */
export function* tradesOf(record: TapeRecord, { bucket, bucketCount, aheadMaxMs }: TradeLimits): Generator<TradeRow> {
  let firstIndex = 0;
  for (const frame of record.frames) {
    const { symbols, symbolIndex, timeOffsetMs, price, size, baseTimeMs, count } = frame;
    const latestMs = latestMsOf(frame, record.arrivalTimeMs, aheadMaxMs);
    const isOurs = symbols.map((symbol) => bucketCount === undefined || bucketOf(symbol, bucketCount) === bucket);
    const entryPrefix = entryPrefixOf(frame, record);
    for (let i = 0; i < count; i++) {
      const index = symbolIndex[i] as number;
      const eventTimeMs = baseTimeMs + (timeOffsetMs[i] as number);
      if (index === heartbeatIndex || !isOurs[index] || eventTimeMs > latestMs) continue;
      yield {
        symbol: symbols[index] as string,
        eventTimeMs,
        price: price[i] as number,
        size: size[i] as number,
        tradeId: tradeIdOf(frame, i),
        conditions: frame.conditionSets[frame.conditionIndex[i] as number] as readonly string[],
        entry: `${entryPrefix}#${firstIndex + i}`,
      };
    }
    firstIndex += count;
  }
}

/** Frames without a number are only found again by where the log has them. */
function entryPrefixOf({ producerId, bucket, producerSequence }: Frame, { sequenceNumber }: TapeRecord): string {
  return producerSequence === 0 ? sequenceNumber : `${producerId}/${bucket}/${producerSequence}`;
}

function tradeIdOf({ tradeIdNumber, tradeIdText }: Frame, i: number): string | null {
  const number = tradeIdNumber === undefined ? Number.NaN : (tradeIdNumber[i] as number);
  if (!Number.isNaN(number)) return String(number);
  return tradeIdText?.[i] || null;
}
