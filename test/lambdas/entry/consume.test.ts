import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DynamoDbCheckpoints } from '../../../adapters/stores/dynamodb.ts';
import { pipelineOptionsOf } from '../../../core/config.ts';
import { bucketOf } from '../../../core/bucket.ts';
import type { ConsumeEvent } from '../../../lambdas/consume-kinesis.ts';
import config from '../../../tapeline.config.ts';
import { FakeTimestream } from '../../adapters/history/fake-timestream.ts';
import { FakeFirehose } from '../../adapters/history/fake-firehose.ts';
import { startDynamoDbLocal } from '../../aws/dynamodb-local.ts';
import { account, clientOf, makeTable } from '../../aws/table.ts';
import { eventOf } from '../../core/support/stream.ts';
import { root } from '../../house/project.ts';

const run = promisify(execFile);
const local = await startDynamoDbLocal();
const startMs = Date.UTC(2024, 0, 2);
const dayMs = 86_400_000;
const streams = { BARS_STREAM: 'bars-stream', SIGNALS_STREAM: 'signals-stream', LATE_STREAM: 'late-stream' };

describe.skipIf(local.kind === 'missing')("the consumer's entry, by its environment alone", () => {
  const endpoint = local.kind === 'running' ? local.endpoint : '';
  const client = clientOf(endpoint);
  const objects = new Map<string, string>();
  const { generation, bucketCount } = pipelineOptionsOf(config);
  const bucket = bucketOf('IBM', bucketCount);
  let firehose: FakeFirehose;
  let timestream: FakeTimestream;
  let s3: Server;

  beforeAll(async () => {
    firehose = await FakeFirehose.start();
    timestream = await FakeTimestream.start();
    s3 = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      objects.set(`${request.method} ${request.url}`, Buffer.concat(chunks).toString());
      response.end();
    });
    await new Promise<void>((resolve) => s3.listen(0, '127.0.0.1', resolve));
    await makeTable(client, 'checkpoints');
  });
  afterAll(() => {
    firehose.stop();
    timestream.stop();
    s3.close();
    s3.closeAllConnections();
    client.destroy();
    if (local.kind === 'running') local.stop();
  });

  it('saves state, writes bars and late trades, keeps bad input aside and says so in one line', async () => {
    const bad = '{"symbol":"IBM","eventTimeMs":1,"price":-1,"size":5}';
    const event = eventOf([recordOf('101', [trade(0), trade(1_000), bad]), recordOf('102', [trade(2 * dayMs), trade(0)])]);
    const { answer, log } = await invoke(event);
    expect(answer.batchItemFailures).toEqual([]);
    const bars = firehose.taken.get('bars-stream') as { symbol: string; tradeCount: number; windowStartMs: number }[];
    expect(bars).toContainEqual(
      expect.objectContaining({ symbol: 'IBM', windowStartMs: startMs, open: 100, volume: 10, tradeCount: 2, rev: 0 }),
    );
    const late = firehose.taken.get('late-stream') as object[];
    expect(late).toContainEqual(expect.objectContaining({ symbol: 'IBM', eventTimeMs: startMs, position: '102#1' }));
    expect([...objects]).toEqual([
      [
        'PUT /quarantine-bucket/quarantine/101.ndjson',
        `${JSON.stringify({ position: '101#2', reason: 'price-not-positive', sample: bad })}\n`,
      ],
    ]);
    const checkpoints = new DynamoDbCheckpoints({ client, tableName: 'checkpoints', generation, bucketCount });
    expect(await checkpoints.load([bucket])).toMatchObject([{ bucket, version: 1, sequenceNumber: '102' }]);
    expect(log).toContainEqual(expect.objectContaining({ _aws: expect.anything(), trades: 4, service: 'Tapeline/consume' }));
    const lines = log.filter(({ message }) => message !== undefined);
    expect(lines).toEqual([
      expect.objectContaining({
        message: 'batch folded',
        records: 2,
        checkpoints: 1,
        writeUnits: expect.any(Number),
        trades: 4,
        bars: bars.length,
        late: late.length,
        quarantinedByReason: { 'price-not-positive': 1 },
      }),
    ]);
  });

  it('keeps bad input in Timestream too, where that is the history', async () => {
    const bad = '{"symbol":"IBM"}';
    await invoke(eventOf([recordOf('201', [bad])]), {
      AWS_ENDPOINT_URL_TIMESTREAM_WRITE: timestream.endpoint,
      HISTORY_DATABASE: 'tapeline',
      REFUSED_ROWS_BUCKET: 'refused',
      REFUSED_ROWS_DOMAIN: 'unused.example',
      REFUSED_ROWS_PREFIX: 'refused/',
    });
    const [row] = timestream.rowsOf('quarantine');
    expect(row).toMatchObject({ dimensions: { position: '201#0', reason: 'event-time-missing' }, measures: { sample: bad } });
    expect(objects.get('PUT /quarantine-bucket/quarantine/201.ndjson')).toContain('event-time-missing');
  });

  /** Runs the handler in a process of its own, as Lambda would. */
  async function invoke(event: ConsumeEvent, history: Readonly<Record<string, string>> = streams) {
    const code = `
      const { handler } = await import(${JSON.stringify(join(root, 'lambdas', 'entry', 'consume.ts'))});
      process.stderr.write(JSON.stringify(await handler(${JSON.stringify(event)})));
    `;
    const { accessKeyId, secretAccessKey } = account.credentials;
    const { stdout, stderr } = await run(process.execPath, ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', code], {
      env: {
        AWS_REGION: account.region,
        AWS_ACCESS_KEY_ID: accessKeyId,
        AWS_SECRET_ACCESS_KEY: secretAccessKey,
        AWS_ENDPOINT_URL_DYNAMODB: endpoint,
        AWS_ENDPOINT_URL_FIREHOSE: firehose.endpoint,
        AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${(s3.address() as AddressInfo).port}`,
        POWERTOOLS_SERVICE_NAME: 'Tapeline/consume',
        POWERTOOLS_METRICS_NAMESPACE: 'Tapeline',
        TABLE_NAME: 'checkpoints',
        STATE_BUCKET: 'state-bucket',
        STATE_DOMAIN: 'unused.example',
        QUARANTINE_BUCKET: 'quarantine-bucket',
        QUARANTINE_DOMAIN: 'unused.example',
        QUARANTINE_PREFIX: 'quarantine/',
        ...history,
      },
    });
    const log = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    return { answer: JSON.parse(stderr) as { batchItemFailures: unknown[] }, log };
  }

  function recordOf(sequenceNumber: string, lines: readonly string[]) {
    return { sequenceNumber, partitionKey: String(bucket), arrivalTimeMs: startMs + 3 * dayMs, data: Buffer.from(lines.join('\n')) };
  }
});

function trade(afterMs: number): string {
  return JSON.stringify({ symbol: 'IBM', eventTimeMs: startMs + afterMs, price: 100, size: 5 });
}
