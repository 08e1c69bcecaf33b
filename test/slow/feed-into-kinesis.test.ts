import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PutRecordsCommand, type KinesisClient } from '@aws-sdk/client-kinesis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeKinesisClient } from '../../adapters/tape/kinesis-client.ts';
import { feed, type FeedOptions, type FeedResult } from '../../local/feed.ts';
import { Progress } from '../../local/progress.ts';
import { replay } from '../../local/replay.ts';
import { runStream, type RunStreamOptions } from '../../local/run-stream.ts';
import { simulateCommand } from '../../local/simulate.ts';
import { openFileSource, type Source } from '../../local/source.ts';
import type { Summary } from '../../local/summary.ts';
import emaCross from '../../strategies/ema-cross.ts';
import { pipelineWith } from '../core/support/pipelines.ts';
import { failed } from '../aws/faulty-kinesis.ts';
import { type KinesisLocal, makeStream, removeStream, startKinesisLocal } from '../aws/kinesis-local.ts';
import { account } from '../aws/table.ts';
import { foldFactsOf } from '../local/tapeline.ts';

const pipeline = pipelineWith({
  bucketCount: 5,
  windowSizesMs: [5_000],
  outOfOrdernessMs: 2_000,
  allowedLatenessMs: 5_000,
  strategies: [emaCross],
});
const nowhere = { write: () => true } as unknown as NodeJS.WritableStream & import('node:stream').Writable;
let folder = '';
let file = '';
let kinesis: KinesisLocal;
let replayed: Summary;
let count = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tapeline-feed-'));
  file = join(folder, 'trades.ndjson');
  await simulateCommand({
    symbols: 40,
    rate: 60,
    seconds: 300,
    outOfOrderMs: 1_500,
    lateShare: 0.01,
    duplicates: 0.01,
    bad: 0.01,
    output: file,
    stdout: nowhere,
    stderr: nowhere,
  });
  kinesis = await startKinesisLocal();
  replayed = await replay({
    pipeline,
    feed: 'ndjson',
    files: [file],
    stateFolder: '',
    filter: {},
    outputs: {},
    isDigestWanted: true,
    progress: new Progress('replay', nowhere),
  });
});
afterAll(() => {
  kinesis.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('a feed into a stream', () => {
  it('gives the consumer of the stream what a replay of the file gives, and nothing more when it is run again', async () => {
    expect([replayed.late, replayed.duplicates, replayed.signals.buy].every((number) => number > 10)).toBe(true);
    const stream = await newStream();
    const first = await feedFile(stream);
    expect(first).toMatchObject({ hasEnded: true, hadNothingNew: false, summary: { waiting: { frames: 0, bytes: 0 }, retries: {} } });
    expect(first.summary.quarantined).toEqual(replayed.quarantined);
    const again = await feedFile(stream);
    expect(again).toMatchObject({
      hasEnded: true,
      hadNothingNew: true,
      summary: { trades: 0, frames: 0, producerId: first.summary.producerId },
    });
    expect(foldFactsOf(await readStream(stream))).toEqual(foldFactsOf(replayed));
    expect(foldFactsOf(await readStream(stream))).toEqual(foldFactsOf(replayed));
  });

  it('goes on from where it was interrupted, as does the consumer', async () => {
    const stream = await newStream();
    for (const afterTrades of [2_000, 7_000]) {
      const interruption = new AbortController();
      const part = await feedFile(stream, { openSource: interrupting(interruption, afterTrades), signal: interruption.signal });
      expect(part).toMatchObject({ hasEnded: false, summary: { waiting: { frames: 0 } } });
      await readStream(stream);
    }
    const last = await feedFile(stream);
    expect(last.hasEnded).toBe(true);
    expect(foldFactsOf(await readStream(stream))).toEqual(foldFactsOf(replayed));
  });

  it('puts what the stream did not take the next time', async () => {
    const stream = await newStream();
    await expect(feedFile(stream, { client: failing('AccessDeniedException', 400, 2) })).rejects.toThrow(/may not use the stream/);
    const { summary } = await feedFile(stream);
    expect(summary.frames).toBeGreaterThan(0);
    expect(foldFactsOf(await readStream(stream))).toEqual(foldFactsOf(replayed));
  });

  it('keeps for the next time what a stream that is down does not take before Ctrl-C', async () => {
    const stream = await newStream();
    const interruption = new AbortController();
    const client = failing('InternalFailure', 500, 1, () => interruption.abort());
    const { summary, hasEnded } = await feedFile(stream, { client, signal: interruption.signal, lastDrainMs: 20 });
    expect([hasEnded, Object.keys(summary.retries), summary.waiting.frames > 0]).toEqual([false, ['InternalFailure'], true]);
    expect((await feedFile(stream)).hasEnded).toBe(true);
    expect(foldFactsOf(await readStream(stream))).toEqual(foldFactsOf(replayed));
  });
});

describe('what a feed is refused', () => {
  const cases: [string, () => Promise<unknown>, RegExp][] = [
    ['a stream that is not there', () => feedFile('nowhere'), /^there is no stream "nowhere" in this account and region/],
    [
      'a stream that is deleted under it',
      async () => {
        const stream = await newStream();
        const source = await openFileSource({ feed: 'ndjson', path: file });
        let removed: Promise<void> | undefined;
        const next = async () => {
          removed ??= removeStream(kinesis.client, stream);
          await removed;
          await sleep(50);
          return source.next();
        };
        return feedFile(stream, { openSource: async () => wrapped(source, next) });
      },
      /^there is no stream "tape-\d+" in this account and region, or it was deleted/,
    ],
    [
      'a stream of another number of buckets',
      async () => {
        const stream = await newStream();
        await feedFile(stream);
        return feedFile(stream, { stateFolder: newState(), pipeline: { ...pipeline, bucketCount: 7 } });
      },
      /^the frames in the stream "tape-\d+" were made for another number of buckets than 7/,
    ],
    [
      'a config with another number of buckets than before',
      async () => {
        const stream = await newStream();
        await feedFile(stream);
        return feedFile(stream, { pipeline: { ...pipeline, bucketCount: 7 } });
      },
      /writes 5 buckets, and the config has 7/,
    ],
    [
      'the state of another stream',
      async () => {
        const stateFolder = newState();
        await feedFile(await newStream(), { stateFolder });
        return feedFile(await newStream(), { stateFolder });
      },
      /^the stream is "arn:aws:kinesis:.*:stream\/tape-\d+", and the feed of ".*" went to arn:.*give another --state/,
    ],
    [
      'a stream that was made anew',
      async () => {
        const stream = await newStream();
        await feedFile(stream);
        await removeStream(kinesis.client, stream);
        await sleep(50);
        await makeStream(kinesis.client, stream, 1);
        return feedFile(stream);
      },
      /^the stream "tape-\d+" was made anew on/,
    ],
    [
      'no credentials',
      async () =>
        feedFile('tape', {
          client: makeKinesisClient({
            ...account,
            endpoint: kinesis.endpoint,
            credentials: () => Promise.reject(failed('CredentialsProviderError')),
          }),
        }),
      /^there are no credentials for AWS .*AWS_PROFILE/,
    ],
    [
      'an endpoint where nobody is',
      async () => feedFile('tape', { client: makeKinesisClient({ ...account, endpoint: 'http://127.0.0.1:9', maxAttempts: 1 }) }),
      /^Kinesis cannot be reached/,
    ],
  ];
  it.each(cases)('%s', async (_, act, message) => {
    await expect(act()).rejects.toThrow(message);
  });
});

async function newStream(): Promise<string> {
  const name = `tape-${++count}`;
  await makeStream(kinesis.client, name, 2);
  return name;
}

function newState(): string {
  return join(folder, `state-${++count}`);
}

function feedFile(streamName: string, options: Partial<FeedOptions> = {}): Promise<FeedResult> {
  return feed({
    pipeline,
    client: kinesis.client,
    streamName,
    stateFolder: join(folder, `feed-${streamName}`),
    openSource: fileSource,
    filter: {},
    flushEveryMs: 5,
    takeQuarantined: () => undefined,
    onProgress: () => undefined,
    signal: new AbortController().signal,
    ...options,
  });
}

async function readStream(streamName: string, options: Partial<RunStreamOptions> = {}): Promise<Summary> {
  const { summary, missingFrames } = await runStream({
    pipeline,
    client: kinesis.client,
    streamName,
    stateFolder: join(folder, `run-${streamName}`),
    isDigestWanted: true,
    endpoints: [],
    endsAtLatest: true,
    onProgress: () => undefined,
    signal: new AbortController().signal,
    ...options,
  });
  expect(missingFrames).toBe(0);
  return summary;
}

async function fileSource(stateOf: (name: string) => string | undefined): Promise<Source> {
  const { name, stop } = await openFileSource({ feed: 'ndjson', path: file });
  stop();
  return openFileSource({ feed: 'ndjson', path: file, from: stateOf(name) });
}

/** A source that is read a little at a time, with Ctrl-C after so many trades. */
function interrupting(interruption: AbortController, afterTrades: number): FeedOptions['openSource'] {
  return async (stateOf) => {
    const source = await fileSource(stateOf);
    let trades = 0;
    return wrapped(source, async () => {
      const isMore = await source.next();
      trades += source.trades.length;
      if (trades >= afterTrades) interruption.abort();
      return isMore;
    });
  };
}

function wrapped(source: Source, next: Source['next']): Source {
  return Object.create(source, { next: { value: next } }) as Source;
}

/** Takes some calls, and no more. */
function failing(name: string, httpStatusCode: number, callsTaken: number, onFailure = () => {}): KinesisClient {
  let calls = 0;
  const send = (command: object) => {
    if (!(command instanceof PutRecordsCommand) || ++calls <= callsTaken) return kinesis.client.send(command as never);
    onFailure();
    return Promise.reject(failed(name, httpStatusCode));
  };
  return { send } as unknown as KinesisClient;
}
