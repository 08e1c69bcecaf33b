import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type _Record, CreateDatabaseCommand, CreateTableCommand, DescribeTableCommand } from '@aws-sdk/client-timestream-write';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TimestreamHistory } from '../../adapters/history/timestream.ts';
import { bucketOf } from '../../core/bucket.ts';
import { pipelineOptionsOf } from '../../core/config.ts';
import config from '../../tapeline.config.ts';
import { batchOf, late, quarantined, signals } from '../adapters/history/samples.ts';
import { account } from '../aws/table.ts';
import { startTimestreamLocal, type TimestreamLocal } from '../aws/timestream-local.ts';
import { eventOf, type StreamRecord } from '../core/support/stream.ts';
import { root } from '../house/project.ts';
import { ofType, removeFolders, synthesisePipeline } from '../lib/synth.ts';

const run = promisify(execFile);
const database = 'Tapeline-history';
const startMs = 1_704_205_800_000;
let local: TimestreamLocal;

beforeAll(async () => {
  local = await startTimestreamLocal();
  await local.client.send(new CreateDatabaseCommand({ DatabaseName: database }));
}, 300_000);
afterAll(() => {
  local.stop();
  removeFolders();
});

describe('the history in Timestream, by its own protocol', () => {
  it('can be made as the template says', async () => {
    const { resources } = synthesisePipeline({ history: 'timestream' }, { checks: false });
    for (const { Properties } of ofType(resources, 'AWS::Timestream::Table')) {
      const { TableName, RetentionProperties, Schema } = Properties;
      const hours = Number(RetentionProperties.MemoryStoreRetentionPeriodInHours);
      const days = Number(RetentionProperties.MagneticStoreRetentionPeriodInDays);
      await local.client.send(
        new CreateTableCommand({
          DatabaseName: database,
          TableName,
          Schema,
          RetentionProperties: { MemoryStoreRetentionPeriodInHours: hours, MagneticStoreRetentionPeriodInDays: days },
        }),
      );
      const { Table } = await local.client.send(new DescribeTableCommand({ DatabaseName: database, TableName }));
      expect(Table).toMatchObject({ TableStatus: 'ACTIVE', Schema, RetentionProperties: { MagneticStoreRetentionPeriodInDays: days } });
    }
  });

  it('takes bars, signals, late trades and quarantined input', async () => {
    const history = new TimestreamHistory({ client: local.client, database, keepRefused: () => Promise.reject(new Error('refused')) });
    const bars = Array.from({ length: 250 }, (_, i) => ({ symbol: 'IBM', windowStartMs: i * 60_000, sizeMs: 60_000, rev: i % 3 }));
    await history.writeBars(batchOf(bars));
    await history.writeSignals(signals);
    await history.writeLate(late);
    await history.writeQuarantined(quarantined);
    expect(timesOf(await local.recordsOf('bars'))).toEqual(bars.map(({ windowStartMs }) => windowStartMs));
    expect(await local.recordsOf('signals')).toHaveLength(signals.length);
    expect(await local.recordsOf('late')).toHaveLength(late.length);
    expect(await local.recordsOf('quarantine')).toHaveLength(quarantined.length);
  });

  it('is written by the function as Lambda runs it, from the tape, by its environment alone', async () => {
    const { bucketCount } = pipelineOptionsOf(config);
    const trades = Array.from({ length: 230 }, (_, i) => ({ symbol: 'IBM', eventTimeMs: startMs + i, price: 100 + i / 100, size: 1 }));
    const record: StreamRecord = {
      sequenceNumber: '17',
      partitionKey: String(bucketOf('IBM', bucketCount)),
      arrivalTimeMs: startMs + 60_000,
      data: Buffer.from(trades.map((trade) => JSON.stringify(trade)).join('\n')),
    };
    const code = `
      const { handler } = await import(${JSON.stringify(join(root, 'lambdas', 'entry', 'history.ts'))});
      await handler(${JSON.stringify(eventOf([record]))});
    `;
    const { stdout } = await run(process.execPath, ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', code], {
      cwd: root,
      env: {
        AWS_REGION: account.region,
        AWS_ACCESS_KEY_ID: account.credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: account.credentials.secretAccessKey,
        AWS_ENDPOINT_URL: local.endpoint,
        POWERTOOLS_SERVICE_NAME: 'Tapeline/history',
        POWERTOOLS_METRICS_NAMESPACE: 'Tapeline',
        HISTORY_DATABASE: database,
        REFUSED_ROWS_BUCKET: 'refused',
        REFUSED_ROWS_DOMAIN: 'unused.example',
        REFUSED_ROWS_PREFIX: 'refused/',
      },
    });
    const log = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(log).toContainEqual(expect.objectContaining({ message: 'trades kept', records: 1, trades: 230 }));
    expect(log).toContainEqual(expect.objectContaining({ tradesKept: 230, service: 'Tapeline/history' }));
    const kept = await local.recordsOf('trades');
    expect(timesOf(kept)).toEqual(trades.map(({ eventTimeMs }) => eventTimeMs));
    expect(new Set(kept.flatMap(({ Dimensions = [] }) => Dimensions.map(({ Value }) => Value))).size).toBe(230);
  });
});

function timesOf(records: readonly _Record[]): number[] {
  return records.map(({ Time }) => Number(Time)).sort((a, b) => a - b);
}
