import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { javaArguments } from '../aws/dynamodb-local.ts';
import { cache } from '../aws/make-once.ts';
import { onPath, pythonOf } from './host-python.ts';
import { type LocalStack, type Say, untilHealthy } from './running.ts';

const parts = join(import.meta.dirname, 'host');
const endMaxMs = 15_000;
/** Of the last start. */
const logFile = join(cache, 'localstack', 'last.log');

/**
 * LocalStack without Docker: as processes of this machine, with state in memory and in a folder that goes with it. Functions run on the
 * Node that runs this. All of it listens on 127.0.0.1 only, and ends with this process, however that ends, as its folder does.
 */
export async function startOnHost({ port, say }: { readonly port: number; readonly say: Say }): Promise<LocalStack> {
  const endpoint = `http://127.0.0.1:${port}`;
  const python = pythonOf(say);
  const folder = mkdtempSync(join(tmpdir(), 'tapeline-localstack-'));
  let localstack: ChildProcess | undefined;
  const stop = async () => {
    await end(localstack);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const environment = prepare(folder, port);
    say('starting LocalStack without Docker');
    const log = openSync(logFile, 'w');
    // A group of its own: Ctrl-C in a terminal is for us, and the end of its standard input for it.
    localstack = spawn(python, ['-m', 'localstack.runtime.main'], { env: environment, detached: true, stdio: ['pipe', log, log] });
    closeSync(log);
    const check = () => {
      if (localstack?.exitCode !== null) throw new Error('it has ended');
    };
    await untilHealthy(endpoint, { waitMaxMs: 120_000, check });
  } catch (cause) {
    const said = localstack && readFileSync(logFile, 'utf8').slice(-4_000);
    await stop();
    throw new Error(`LocalStack did not start (${(cause as Error).message})${said ? `, and has said:\n${said}` : ''}`, { cause });
  }
  return { kind: 'host', endpoint, stop };
}

async function end(localstack: ChildProcess | undefined): Promise<void> {
  if (localstack === undefined || localstack.exitCode !== null || localstack.signalCode !== null) return;
  const timer = setTimeout(() => localstack.kill('SIGKILL'), endMaxMs);
  const exit = once(localstack, 'exit');
  localstack.stdin?.end();
  await exit;
  clearTimeout(timer);
}

/** LocalStack looks for its tools in this tree before it downloads them. */
function prepare(folder: string, port: number): Record<string, string> {
  const libraries = join(folder, 'usr', 'lib', 'localstack');
  const kinesis = dirname(createRequire(import.meta.url).resolve('kinesis-local/package.json'));
  const { version } = JSON.parse(readFileSync(join(kinesis, 'package.json'), 'utf8')) as { version: string };
  const kinesisModules = join(libraries, 'kinesis-local', version, 'node_modules');
  mkdirSync(kinesisModules, { recursive: true });
  symlinkSync(kinesis, join(kinesisModules, 'kinesis-local'));
  // It runs Kinesis with the first `node` of its path, and DynamoDB with this `java` and options that name its own jars.
  writeCommand(join(folder, 'bin', 'node'), `exec ${quoted([process.execPath, '--require', join(parts, 'kinesis.cjs')])} "$@"`);
  writeFile(join(libraries, 'dynamodb-local', '2', 'DynamoDBLocal.jar'), '');
  writeCommand(
    join(libraries, 'java', '21', process.platform === 'darwin' ? 'Contents/Home/bin/java' : 'bin/java'),
    `while [ "$1" != -port ]; do shift; done\nexec ${quoted([onPath('java') ?? 'java', ...javaArguments()])} "$@"`,
  );
  mkdirSync(join(folder, 'tmp'));
  return settingsOf(folder, port, version);
}

function settingsOf(folder: string, port: number, kinesisVersion: string): Record<string, string> {
  return {
    // Nothing else of ours is its business: not the account, not a TMPDIR.
    ...Object.fromEntries(['HOME', 'USER', 'LANG'].flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))),
    PATH: `${join(folder, 'bin')}${delimiter}${process.env['PATH']}`,
    PYTHONPATH: join(parts, 'python'),
    PYTHONPYCACHEPREFIX: join(cache, 'localstack', 'compiled'),
    XDG_CACHE_HOME: folder,
    FILESYSTEM_ROOT: folder,
    TMPDIR: join(folder, 'tmp'),
    // `/.dockerenv` would make it believe that it runs in a container.
    OVERRIDE_IN_DOCKER: '0',
    GATEWAY_LISTEN: `127.0.0.1:${port}`,
    // In the URLs that it gives out, in place of a public DNS name; queues without a host name of their own.
    LOCALSTACK_HOST: `127.0.0.1:${port}`,
    SQS_ENDPOINT_STRATEGY: 'off',
    DNS_ADDRESS: '0',
    SKIP_SSL_CERT_DOWNLOAD: '1',
    DISABLE_EVENTS: '1',
    SERVICES:
      'cloudformation,cloudwatch,dynamodb,dynamodbstreams,ecr,events,firehose,iam,kinesis,kms,lambda,logs,s3,scheduler,secretsmanager,sns,sqs,ssm,sts',
    CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES: '1',
    LAMBDA_RUNTIME_EXECUTOR: 'subprocess',
    TAPELINE_LAMBDA_NODE: process.execPath,
    TAPELINE_LAMBDA_INIT: join(parts, 'lambda', 'init.mjs'),
    LAMBDA_SYNCHRONOUS_CREATE: '1',
    LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT: '60',
    LAMBDA_KEEPALIVE_MS: '600000',
    // By default it reads one shard a second, and an idle queue every ten.
    LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC: '0.1',
    LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC: '0.5',
    KINESIS_MOCK_VERSION: kinesisVersion,
    KINESIS_PERSISTENCE: '0',
    KINESIS_LATENCY: '0',
    DYNAMODB_IN_MEMORY: '1',
    // The second takes streams from DynamoDB Local itself; the first copies each write into a Kinesis stream, at a third of the speed.
    PROVIDER_OVERRIDE_DYNAMODB: 'v2',
    PROVIDER_OVERRIDE_DYNAMODBSTREAMS: 'v2',
  };
}

function writeCommand(path: string, text: string): void {
  writeFile(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
}

function writeFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function quoted(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
}
