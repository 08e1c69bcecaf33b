import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CreateStreamCommand, DeleteStreamCommand, DescribeStreamSummaryCommand, type KinesisClient } from '@aws-sdk/client-kinesis';
import { makeKinesisClient } from '../../adapters/tape/kinesis-client.ts';
import { account } from './table.ts';

const startMaxMs = 30_000;

export type KinesisLocal = {
  readonly endpoint: string;
  readonly client: KinesisClient;
  /** What a process of its own needs to find it. */
  readonly env: Readonly<Record<string, string>>;
  readonly stop: () => void;
};

/** Starts kinesis-mock, the Kinesis of LocalStack, in memory and on this machine only. */
export async function startKinesisLocal(): Promise<KinesisLocal> {
  const main = fileURLToPath(import.meta.resolve('kinesis-local'));
  const child = spawn(process.execPath, ['--require', join(import.meta.dirname, 'kinesis-local', 'loopback.cjs'), main], {
    // It says often that it is slow.
    stdio: ['pipe', 'pipe', 'ignore'],
    cwd: join(main, '..'),
    env: { KINESIS_MOCK_PLAIN_PORT: '4568', KINESIS_MOCK_TLS_PORT: '4567', SHARD_LIMIT: '10000', LOG_LEVEL: 'ERROR', ...quick },
  });
  const stop = () => void child.kill('SIGKILL');
  const timer = setTimeout(stop, startMaxMs);
  for await (const line of createInterface(child.stdout)) {
    const endpoint = /^listening on (\S+)$/.exec(line)?.[1];
    if (endpoint === undefined) continue;
    clearTimeout(timer);
    child.stdout.resume();
    const client = makeKinesisClient({ ...account, endpoint });
    const { region, credentials } = account;
    const env = {
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    };
    return { endpoint, client, env, stop };
  }
  throw new Error('kinesis-mock ended before it was ready');
}

const durations = ['CREATE_STREAM', 'DELETE_STREAM', 'SPLIT_SHARD', 'MERGE_SHARDS', 'UPDATE_SHARD_COUNT'];
const quick = Object.fromEntries(durations.map((name) => [`${name}_DURATION`, '10ms']));

export async function makeStream(client: KinesisClient, StreamName: string, ShardCount: number): Promise<void> {
  await client.send(new CreateStreamCommand({ StreamName, ShardCount }));
  await untilActive(client, StreamName);
}

export async function untilActive(client: KinesisClient, StreamName: string): Promise<void> {
  for (;;) {
    const { StreamDescriptionSummary } = await client.send(new DescribeStreamSummaryCommand({ StreamName }));
    if (StreamDescriptionSummary?.StreamStatus === 'ACTIVE') return;
    await sleep(5);
  }
}

export async function removeStream(client: KinesisClient, StreamName: string): Promise<void> {
  await client.send(new DeleteStreamCommand({ StreamName }));
}
