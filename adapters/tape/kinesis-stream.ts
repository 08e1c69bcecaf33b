import { setTimeout as delay } from 'node:timers/promises';
import { DescribeStreamSummaryCommand, GetRecordsCommand, GetShardIteratorCommand, type KinesisClient } from '@aws-sdk/client-kinesis';
import { bucketOf } from '../../core/bucket.ts';
import { failureOf } from '../aws-failure.ts';
import { decodePacked } from '../frames/packed.ts';
import { explainStreamFailure, StreamError } from './kinesis-errors.ts';
import { listShards } from './kinesis-shards.ts';

/** A stream that takes and gives records. A stream that was deleted and made again has another `createdMs`. */
export type Stream = { readonly name: string; readonly arn: string; readonly createdMs: number };

const activeEveryMs = 500;
const activeTriesMax = 120;
const shardsSampled = 4;
const recordsSampled = 25;

/** Waits for a stream that is being made. @throws StreamError */
export async function openStream(client: KinesisClient, name: string): Promise<Stream> {
  try {
    for (let attempt = 1; ; attempt++) {
      const { StreamDescriptionSummary } = await client.send(new DescribeStreamSummaryCommand({ StreamName: name }));
      const { StreamStatus, StreamARN = name, StreamCreationTimestamp } = StreamDescriptionSummary ?? {};
      if (StreamStatus === 'ACTIVE' || StreamStatus === 'UPDATING')
        return { name, arn: StreamARN, createdMs: StreamCreationTimestamp?.getTime() ?? 0 };
      if (StreamStatus === 'DELETING' || attempt === activeTriesMax)
        throw new StreamError(`the stream "${name}" is ${String(StreamStatus).toLowerCase()}, and takes no records`, {
          code: 'stream-not-usable',
        });
      await delay(activeEveryMs);
    }
  } catch (error) {
    throw explainStreamFailure(error, name);
  }
}

/**
 * Refuses a stream whose packed frames were made for another number of buckets, as far as its oldest records show it. One that fits is
 * enough: a single frame may be broken. Who may not read the stream is not told.
 * @throws StreamError
 */
export async function checkBuckets(client: KinesisClient, { name }: Stream, bucketCount: number): Promise<void> {
  const fits = (await oldestRecords(client, name)).flatMap((data) => fitsOf(data, bucketCount));
  if (fits.length === 0 || fits.includes(true)) return;
  throw new StreamError(
    `the frames in the stream "${name}" were made for another number of buckets than ${bucketCount}; set "buckets" in the config to what the stream was begun with, or use a new stream`,
    { code: 'stream-not-usable' },
  );
}

async function oldestRecords(client: KinesisClient, StreamName: string): Promise<Uint8Array[]> {
  const records: Uint8Array[] = [];
  try {
    for (const { shardId: ShardId } of (await listShards(client, StreamName)).slice(0, shardsSampled)) {
      const { ShardIterator } = await client.send(new GetShardIteratorCommand({ StreamName, ShardId, ShardIteratorType: 'TRIM_HORIZON' }));
      const { Records = [] } = await client.send(new GetRecordsCommand({ ShardIterator, Limit: recordsSampled }));
      for (const { Data } of Records) if (Data !== undefined) records.push(Data);
    }
  } catch (error) {
    if (failureOf(error) === 'ours') throw error;
  }
  return records;
}

/** For each symbol of a packed frame, whether its bucket is the frame's; nothing for anything else. */
function fitsOf(data: Uint8Array, bucketCount: number): boolean[] {
  const { frame } = decodePacked(data);
  return frame === undefined ? [] : frame.symbols.map((symbol) => bucketOf(symbol, bucketCount) === frame.bucket);
}
