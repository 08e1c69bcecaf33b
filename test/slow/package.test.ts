import { execFile } from 'node:child_process';
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pageNamed } from '../docs/pages.ts';
import { root, writeFile } from '../house/project.ts';

const run = promisify(execFile);
const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { devDependencies: Record<string, string> };
const versioned = (...names: string[]) => names.map((name) => `${name}@${devDependencies[name]}`);

let folder = '';
let app = '';

/** A stranger's folder with the package as npm would give it, and the files of docs/deploy.md. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tapeline-package-'));
  app = join(folder, 'app');
  mkdirSync(app);
  const tarball = await pack();
  writeFile(app, 'package.json', '{ "name": "app", "private": true, "type": "module" }');
  const packages = [tarball, ...versioned('aws-cdk-lib', 'constructs', 'esbuild', '@types/node')];
  await byNpm(app, ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', ...packages]);
  for (const step of pageNamed('docs/deploy.md').steps) if (step.kind === 'file') writeFile(app, step.path, step.text);
}, 600_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the package', () => {
  it('holds what runs, and no sources, tests or notes', () => {
    const files = globSync('**/*', { cwd: join(app, 'node_modules', 'tapeline') });
    // The receivers are there to be copied, not to be run where they are.
    const code = files.filter((file) => !file.startsWith('docs/receive/'));
    expect(code.filter((file) => /(?<!\.d)\.ts$/.test(file) || /^(test|bench|docs\/decisions)\//.test(file))).toEqual([]);
    expect(files).toEqual(
      expect.arrayContaining(['bin/tapeline.mjs', 'dist/lib/index.js', 'dist/core/index.d.ts', 'schemas/signal.v1.json']),
    );
  });

  it('leaves the clone that it was packed in as it was', () => {
    expect(globSync('dist', { cwd: join(folder, 'clone') })).toEqual([]);
  });
});

describe('the command of the package', () => {
  it('prints what the clone prints, by its own config and strategies', async () => {
    await tapeline('simulate', '--symbols', '20', '--rate', '20', '--seconds', '3600', '--output', 'trades.ndjson');
    const market = readFileSync(join(app, 'trades.ndjson'), 'utf8');
    const installed = JSON.parse(await tapeline('replay', 'trades.ndjson', '--json'));
    expect(installed.trades).toBe(market.trim().split('\n').length);
    // The same config with the clone's own files, from the clone.
    writeFile(folder, 'clone/strategies/my-dip.ts', ownStrategy().replace("'tapeline'", "'../core/strategy.ts'"));
    const config = `
      import { defineTapeline } from './core/config.ts';
      import emaCross from './strategies/ema-cross.ts';
      import myDip from './strategies/my-dip.ts';
      export default defineTapeline({ interval: '1m', calendar: 'us-equities', strategies: [emaCross, myDip] });
    `;
    writeFile(folder, 'clone/own.config.ts', config);
    const clone = join(folder, 'clone');
    const args = [
      join(clone, 'bin', 'tapeline.mjs'),
      'replay',
      join(app, 'trades.ndjson'),
      '--json',
      '--config',
      join(clone, 'own.config.ts'),
    ];
    const { stdout } = await run(process.execPath, args, { cwd: clone, env: strangerEnv() });
    expect(installed.digest).toEqual(JSON.parse(stdout).digest);
    expect(installed.signals.buy).toBeGreaterThan(0);
  });

  it('runs the whole way on this machine, and knows the strategies and the config that come with it', async () => {
    const ran = JSON.parse(await tapeline('run', '--input', 'trades.ndjson', '--json'));
    expect(ran.digest).toEqual(JSON.parse(await tapeline('replay', 'trades.ndjson', '--json')).digest);
    expect(JSON.parse(await tapeline('replay', 'trades.ndjson', '--json', '--strategy', 'breakout')).trades).toBe(ran.trades);
    const elsewhere = join(folder, 'elsewhere');
    mkdirSync(elsewhere);
    const { stdout } = await run(bin('tapeline'), ['replay', join(app, 'trades.ndjson'), '--json'], { cwd: elsewhere, env: strangerEnv() });
    expect(JSON.parse(stdout).trades).toBe(ran.trades);
  });
});

describe('on a machine with an older Node', () => {
  it('the command runs by the Node 24 that comes with the package', async () => {
    const pretendNode20 = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.9.0'})`;
    const launcher = join(app, 'node_modules', 'tapeline', 'bin', 'tapeline.mjs');
    const { stdout } = await inApp(process.execPath, ['--import', pretendNode20, launcher, 'replay', 'trades.ndjson', '--json']);
    expect(JSON.parse(stdout).trades).toBeGreaterThan(0);
  });
});

describe('the types of the package', () => {
  const typesOf = (files: readonly string[]) => {
    const compilerOptions = { types: ['node'], skipLibCheck: true, exactOptionalPropertyTypes: false };
    writeFile(app, 'tsconfig.json', JSON.stringify({ extends: join(root, 'tsconfig.base.json'), compilerOptions, files }));
    return inApp(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', app]).then(
      () => '',
      ({ stdout }: { stdout: string }) => stdout,
    );
  };

  it('accept what docs/deploy.md shows', async () => {
    expect(await typesOf(['app.ts', 'existing-stream.ts', 'tapeline.config.ts'])).toBe('');
  });

  it('refuse an option that there is not', async () => {
    writeFile(app, 'wrong.ts', "import { defineTapeline } from 'tapeline';\nexport default defineTapeline({ intervall: '1m' });\n");
    expect(await typesOf(['wrong.ts'])).toContain("'intervall' does not exist in type 'TapelineConfig'");
    writeFile(app, 'wrong.ts', "import { Tape } from 'tapeline/cdk';\nnew Tape(undefined as never, 'Tape', { shards: 4 });\n");
    expect(await typesOf(['wrong.ts'])).toContain("'shards' does not exist in type 'TapeProps'");
  });
});

describe("the constructs in a stranger's app", () => {
  it('synthesise as docs/deploy.md shows, with functions that carry their own config', async () => {
    await inApp(process.execPath, [join(root, 'node_modules/aws-cdk/bin/cdk'), 'synth', '--quiet']);
    const bundles = globSync('cdk.out/asset.*/index.mjs', { cwd: app }).map((file) => readFileSync(join(app, file), 'utf8'));
    expect(bundles).toHaveLength(3);
    const [consumer] = bundles.filter((text) => text.includes('QUARANTINE_PREFIX')) as [string];
    expect(consumer).toContain('two deviations below the 20-bar mean');
    expect(consumer).toContain('us-equities');
    expect(consumer).not.toContain('rsi-reversion');
    // One copy of the core for the handler and the config: two would not know each other's strategies.
    expect(consumer.split('config must be an object').length - 1).toBe(1);
  });

  const table = `new Table(stack, 'Table', { partitionKey: { name: 'pk', type: AttributeType.STRING }, stream: StreamViewType.NEW_IMAGE })`;
  it.each([
    ['Tape', `new Tape(stack, 'Tape');`],
    ['SignalConsumer', `new SignalConsumer(stack, 'Consumer', { tape: new Tape(stack, 'Tape') });`],
    ['SignalBus', `new SignalBus(stack, 'Bus', { table: ${table}, generation: '1' });`],
    ['SignalTopic', `new SignalTopic(stack, 'Topic', { bus: new EventBus(stack, 'Bus') });`],
    ['Webhooks', `new Webhooks(stack, 'Webhooks', { bus: new EventBus(stack, 'Bus') });`],
    ['History', `new History(stack, 'History');`],
    ['TimestreamHistory', `new TimestreamHistory(stack, 'History', { tape: new Tape(stack, 'Tape') });`],
    ['SessionClock', `new SessionClock(stack, 'Clock', { calendar: 'us-equities' });`],
    ['AlarmTopic', `new AlarmTopic(stack, 'Alarms', { encryptionKey: new Key(stack, 'Key') });`],
    [
      'Observability',
      `const tape = new Tape(stack, 'Tape');
      const consumer = new SignalConsumer(stack, 'Consumer', { tape });
      const signals = new SignalBus(stack, 'Bus', { table: consumer.table, generation: '1' });
      const topic = new SignalTopic(stack, 'Topic', { bus: signals.bus });
      new Observability(stack, 'Observability', { tape, consumer, signals, topic, calendar: 'us-equities' });`,
    ],
    ['PipelineStack', `new PipelineStack(app, 'Whole', { config: (await import('./tapeline.config.ts')).default });`],
  ])('%s stands alone', async (name, line) => {
    writeFile(
      app,
      `${name}.ts`,
      `import { App, Stack } from 'aws-cdk-lib';
      import { AttributeType, StreamViewType, Table } from 'aws-cdk-lib/aws-dynamodb';
      import { EventBus } from 'aws-cdk-lib/aws-events';
      import { Key } from 'aws-cdk-lib/aws-kms';
      import {
        AlarmTopic, History, Observability, PipelineStack, SessionClock, SignalBus, SignalConsumer, SignalTopic, Tape, TimestreamHistory,
        Webhooks
      } from 'tapeline/cdk';
      const app = new App({ outdir: 'out-${name}', context: { 'aws:cdk:bundling-stacks': [] } });
      const stack = new Stack(app, 'Alone');
      ${line}
      app.synth();`,
    );
    await inApp(process.execPath, [`${name}.ts`]);
    const templates = globSync(`out-${name}/*.template.json`, { cwd: app }).map((file) =>
      JSON.parse(readFileSync(join(app, file), 'utf8')),
    );
    expect(templates.flatMap(({ Resources = {} }) => Object.keys(Resources)).length).toBeGreaterThan(1);
  });

  it('read a stream that is there already, as docs/deploy.md shows', async () => {
    await inApp(process.execPath, ['existing-stream.ts']);
  });

  it('say what is missing where there is no config', async () => {
    writeFile(
      app,
      'no-config.ts',
      `import { App, Stack } from 'aws-cdk-lib';
      import { SignalConsumer, Tape } from 'tapeline/cdk';
      const stack = new Stack(new App(), 'Alone');
      new SignalConsumer(stack, 'Consumer', { tape: new Tape(stack, 'Tape'), configPath: 'config/other.ts' });`,
    );
    await expect(inApp(process.execPath, ['no-config.ts'])).rejects.toThrow(
      'which does not exist; start the app in its folder or give configPath',
    );
  });
});

/** What `npm pack` reads of a clone. */
const packed = [
  ...['adapters', 'bin', 'core', 'docs', 'lambdas', 'lib', 'local', 'schemas', 'strategies'],
  ...['.npmrc', 'LICENSE', 'README.md', 'package-lock.json', 'package.json'],
  ...['tapeline.config.ts', 'tsconfig.base.json', 'tsconfig.dist.json'],
];
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

/** The tarball that `npm pack` makes in a clone. */
async function pack(): Promise<string> {
  const clone = join(folder, 'clone');
  for (const name of packed) cpSync(join(root, name), join(clone, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'), 'junction');
  const stdout = await byNpm(clone, ['pack', '--pack-destination', folder, '--json']);
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string }];
  return join(folder, filename);
}

async function tapeline(...args: string[]): Promise<string> {
  return (await inApp(bin('tapeline'), args)).stdout;
}

/** By the machine's own npm and Node: under ours, which npm puts on the path, it would look for its settings elsewhere. */
async function byNpm(cwd: string, args: string[]): Promise<string> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((path) => !path.includes('node_modules'));
  const env = { ...strangerEnv(), PATH: folders.join(delimiter) };
  return (await run(npm, args, { cwd, env, maxBuffer: 2 ** 26 })).stdout;
}

function inApp(command: string, args: string[]) {
  return run(command, args, { cwd: app, env: strangerEnv(), maxBuffer: 2 ** 26 });
}

function bin(name: string): string {
  return join(app, 'node_modules', '.bin', name);
}

function ownStrategy(): string {
  return readFileSync(join(app, 'strategies', 'my-dip.ts'), 'utf8');
}

/** Without what vitest and npm tell the processes they start; our Node is the first one, as the reader's own Node 24 would be. */
function strangerEnv(): NodeJS.ProcessEnv {
  const env = Object.entries(process.env).filter(([name]) => !/^(npm_|VITEST|NODE_OPTIONS)/.test(name));
  return { ...Object.fromEntries(env), PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}` };
}
