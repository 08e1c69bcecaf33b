import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defineTapeline, webhook } from '../../core/config.ts';
import { TimestreamHistory } from '../../lib/history-timestream.ts';
import { Tape } from '../../lib/tape.ts';
import { alone, bundlesOf, removeFolders, synthesisePipeline } from './synth.ts';

const run = promisify(execFile);
const bytesMax = 500_000;

/** As they are uploaded. */
let all: ReadonlyMap<string, string>;
let bundles: { readonly consume: string; readonly publish: string };

beforeAll(() => {
  const config = defineTapeline({ calendar: 'us-equities', deliver: [webhook({ url: 'https://example.com/hooks' })] });
  const inTimestream = alone((stack) => new TimestreamHistory(stack, 'History', { tape: new Tape(stack, 'Tape') }), { bundles: true });
  all = new Map([...bundlesOf(synthesisePipeline({ config }, { bundles: true, checks: false })), ...bundlesOf(inTimestream)]);
  bundles = { consume: all.get('consume') as string, publish: all.get('publish') as string };
  // Two stacks with all of their functions: on a busy machine that takes longer than other preparations.
}, 120_000);
afterAll(removeFolders);

describe('every bundle', () => {
  it('is below 500 KB, with its source map beside it', () => {
    expect([...all.keys()]).toEqual(expect.arrayContaining(['consume', 'history', 'history-transform', 'publish']));
    for (const [name, file] of all) {
      expect(statSync(file).size, name).toBeLessThan(bytesMax);
      expect(statSync(`${file}.map`).size, name).toBeGreaterThan(0);
      expect(readFileSync(file, 'utf8').trimEnd().slice(-100)).toContain('//# sourceMappingURL=index.mjs.map');
    }
  });

  it('does not import node:http, whose import loads undici', () => {
    const importsHttp = /(from|import\()\s*["'](node:)?http["']/;
    expect([...all].filter(([, file]) => importsHttp.test(readFileSync(file, 'utf8'))).map(([name]) => name)).toEqual([]);
  });
});

describe.each(['consume', 'publish'] as const)('the bundle of %s', (name) => {
  it('handles a batch without records by itself, as Lambda runs it', async () => {
    const { answer, log } = await invoke(name, { Records: [] }, environmentOf[name]);
    expect(answer).toEqual(name === 'consume' ? { state: { buckets: {} }, batchItemFailures: [] } : { batchItemFailures: [] });
    const line = log.find(({ message }) => message === (name === 'consume' ? 'batch folded' : 'signals published'));
    expect(line).toMatchObject({ level: 'INFO', service: `Tapeline/${name}` });
    // Of nothing there is no metric but that the function was started.
    expect(log.filter((entry) => '_aws' in entry)).toMatchObject([{ ColdStart: 1 }]);
  });

  it('says which variables it lacks', async () => {
    const [lacking] = Object.keys(environmentOf[name]) as [string];
    const { [lacking]: _, ...rest } = environmentOf[name];
    await expect(invoke(name, { Records: [] }, rest)).rejects.toThrow(
      `the function needs the environment variables ${lacking}, received none`,
    );
  });
});

const lambda = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_LAMBDA_FUNCTION_NAME: 'function',
  AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
  AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
  LAMBDA_TASK_ROOT: '/var/task',
  _X_AMZN_TRACE_ID: 'Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=0',
  POWERTOOLS_METRICS_NAMESPACE: 'Tapeline',
};

const environmentOf: Record<'consume' | 'publish', Record<string, string>> = {
  consume: {
    TABLE_NAME: 'table',
    STATE_BUCKET: 'states',
    STATE_DOMAIN: 'states.s3.eu-central-1.amazonaws.com',
    QUARANTINE_BUCKET: 'bucket',
    QUARANTINE_DOMAIN: 'bucket.s3.eu-central-1.amazonaws.com',
    QUARANTINE_PREFIX: 'quarantine/',
    BARS_STREAM: 'bars',
    SIGNALS_STREAM: 'signals',
    LATE_STREAM: 'late',
  },
  publish: {
    BUS_NAME: 'bus',
    BUS_SOURCE: 'tapeline',
    SIGNAL_SOURCE: '/tapeline/Tapeline',
    REFUSED_PREFIX: 'refused/',
    REFUSED_BUCKET: 'bucket',
    REFUSED_DOMAIN: 'bucket.s3.eu-central-1.amazonaws.com',
  },
};

async function invoke(name: 'consume' | 'publish', event: object, environment: Record<string, string>) {
  const code = `
    const { handler } = await import(${JSON.stringify(bundles[name])});
    process.stderr.write(JSON.stringify(await handler(${JSON.stringify(event)})));
  `;
  const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', code], {
    env: { ...lambda, ...environment, POWERTOOLS_SERVICE_NAME: `Tapeline/${name}` },
  });
  const log = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { answer: JSON.parse(stderr) as unknown, log };
}
