import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bundlesOf, removeFolders, type Synthesised, synthesisePipeline } from '../test/lib/synth.ts';
import { defineTapeline, webhook } from '../core/config.ts';
import { fullEvents, packedEvents, packedRecords } from './consumer.ts';
import { makeMarket } from './market.ts';
import { medianOf } from './race.ts';
import type { Measure, Suite } from './suite.ts';

const run = promisify(execFile);
const loadsMin = 9;
/** With every function that there is. */
const config = defineTapeline({ calendar: 'us-equities', deliver: [webhook({ url: 'https://example.com/hooks' })] });

/** What is uploaded, in a process of its own for each measure, as Lambda would start it. */
export const bundles: Suite = {
  name: 'bundles',
  summary: 'the functions as they are deployed: size, time to load, memory of the consumer',
  run: async ({ rounds, progress }) => {
    try {
      const stack = synthesisePipeline({ config }, { bundles: true, checks: false });
      const measures: Measure[] = [];
      for (const [name, file] of bundlesOf(stack)) {
        progress(`loading ${name}`);
        const environment = environmentOf(stack, name);
        const [loads, starts]: [number[], number[]] = [[], []];
        for (let i = 0; i < Math.max(rounds, loadsMin); i++) {
          const { loadMs, startMs } = await loadOf(file, environment);
          loads.push(loadMs);
          starts.push(startMs);
        }
        measures.push(
          { what: `${name}, minified`, ours: statSync(file).size / 1_000, unit: 'KB', goal: { atMost: 500, aim: 400 } },
          {
            what: `${name}, loaded; other: Node’s own start`,
            ours: medianOf(loads),
            theirs: medianOf(starts),
            unit: 'ms of processor time',
            goal: { atMost: 100, aim: 60 },
          },
        );
      }
      return [...measures, ...(await memoryOf(stack, progress))];
    } finally {
      removeFolders();
    }
  },
};

/** Every variable that the construct sets, with something in it. */
function environmentOf({ resources }: Synthesised, name: string): Record<string, string> {
  const variables = resources
    .filter(({ Type }) => Type === 'AWS::Lambda::Function')
    .map(({ Properties }) => Properties.Environment.Variables as Record<string, unknown>)
    .find(({ POWERTOOLS_SERVICE_NAME }) => String(POWERTOOLS_SERVICE_NAME).endsWith(`/${name}`));
  const texts = Object.entries(variables ?? {}).map(([key, value]) => [key, typeof value === 'string' ? value : 'name']);
  return { ...Object.fromEntries(texts), ...lambda };
}

const lambda = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_LAMBDA_FUNCTION_NAME: 'function',
  AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
  LAMBDA_TASK_ROOT: '/var/task',
  _X_AMZN_TRACE_ID: 'Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=0',
};

/** The processor's time, of all threads: a Lambda function has a part of one core. Node's own start tells how fast the machine is. */
async function loadOf(file: string, environment: Record<string, string>): Promise<{ loadMs: number; startMs: number }> {
  const code = `
    const spentMs = ({ user, system }) => (user + system) / 1000;
    const before = process.cpuUsage();
    await import(${JSON.stringify(file)});
    process.stdout.write(JSON.stringify({ loadMs: spentMs(process.cpuUsage(before)), startMs: spentMs(before) }));
  `;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code], { env: environment });
  return JSON.parse(stdout);
}

/** The most that the consumer has resident, with a table and delivery streams that take everything. */
async function memoryOf(stack: Synthesised, progress: (text: string) => void): Promise<Measure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'tapeline-bench-'));
  const server = await startAws();
  try {
    const loads = {
      'ten minutes at 1×, an event a second': packedEvents(makeMarket({ tradeCount: 460 * 600 }), { everyMs: 1_000 }).map((event) =>
        JSON.stringify(event),
      ),
      'full invocations': fullEvents(packedRecords(makeMarket({ tradeCount: 2_000_000 }))),
    };
    const measures: Measure[] = [];
    for (const [what, events] of Object.entries(loads)) {
      progress(`the consumer's memory: ${what}`);
      const path = join(folder, 'events.ndjson');
      writeFileSync(path, events.join('\n'));
      const environment = {
        ...environmentOf(stack, 'consume'),
        AWS_ENDPOINT_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      };
      const ours = await peakMbOf(bundlesOf(stack).get('consume') as string, { events: path, environment });
      measures.push({ what: `consume, 1,500 symbols, ${what}: resident at most`, ours, unit: 'MB', goal: { atMost: 256, aim: 200 } });
    }
    return measures;
  } finally {
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true });
  }
}

async function peakMbOf(file: string, { events, environment }: { events: string; environment: Record<string, string> }): Promise<number> {
  const code = `
    import { createReadStream } from 'node:fs';
    import { createInterface } from 'node:readline';
    const { handler } = await import(${JSON.stringify(file)});
    let state = {};
    for await (const line of createInterface({ input: createReadStream(${JSON.stringify(events)}) }))
      ({ state } = JSON.parse(JSON.stringify(await handler({ ...JSON.parse(line), state }))));
  `;
  const peak = join(import.meta.dirname, 'peak-memory.ts');
  const script = `exec 3>&1 >/dev/null; exec "$0" "$@"`;
  const args = [
    '-c',
    script,
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    '--import',
    peak,
    '--input-type=module',
    '-e',
    code,
  ];
  const { stdout } = await run('/bin/sh', args, { env: { ...environment, PATH: process.env['PATH'] } });
  return Number(stdout);
}

/** A table without checkpoints, a delivery that takes all records and a bucket that keeps versions. */
async function startAws(): Promise<Server> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const isDelivery = String(request.headers['x-amz-target']).endsWith('.PutRecordBatch');
    const count = isDelivery ? (JSON.parse(Buffer.concat(chunks).toString()) as { Records: unknown[] }).Records.length : 0;
    const answer = isDelivery ? { FailedPutCount: 0, RequestResponses: Array.from({ length: count }, () => ({ RecordId: '1' })) } : {};
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0', 'x-amz-version-id': '1' }).end(JSON.stringify(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
