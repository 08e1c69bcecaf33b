import { existsSync } from 'node:fs';
import { decodeRecord } from '../frames/decode.ts';
import { SqliteTape } from '../tape/sqlite-tape.ts';
import { type TradeRow, tradesOf } from './trades.ts';

const slice = { recordsMax: 1_000, bytesMax: 4 * 1024 * 1024 };

/**
 * Every trade on a tape of this machine, shard by shard, in its order; none where there is no tape. Its own feed wrote it: no trade is of
 * another bucket, and those that were too far ahead when they were read, which are in quarantine, stand in frames that say so.
 */
export function* tradesOnTape(file: string): Generator<TradeRow> {
  if (!existsSync(file)) return;
  const tape = new SqliteTape(file, { readOnly: true });
  try {
    for (const shardId of tape.shardIds()) {
      let after = '';
      for (;;) {
        const records = tape.read(shardId, after, slice);
        if (records.length === 0) break;
        for (const record of records) {
          const bucket = Number(record.partitionKey);
          yield* tradesOf(decodeRecord(record, bucket), { bucket, aheadMaxMs: Number.POSITIVE_INFINITY });
        }
        after = records.at(-1)?.sequenceNumber ?? after;
      }
    }
  } finally {
    tape.close();
  }
}
