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
/** Some frames may be broken. With another number of buckets half of all frames or more are wrong. */
const misfitShareMax = 1 / 3;

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
 * Refuses a stream whose packed frames were made for another number of buckets, as far as its oldest records show it. Who may not read the
 * stream is not told.
 * @throws StreamError
 */
export async function checkBuckets(client: KinesisClient, { name }: Stream, bucketCount: number): Promise<void> {
  const frames = (await oldestRecords(client, name)).map((data) => decodePacked(data).frame).filter((frame) => frame !== undefined);
  const misfits = frames.filter(({ bucket, symbols }) => symbols.some((symbol) => bucketOf(symbol, bucketCount) !== bucket));
  if (misfits.length <= frames.filter(({ symbols }) => symbols.length > 0).length * misfitShareMax) return;
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
