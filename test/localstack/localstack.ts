import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { startOnHost } from './host.ts';
import { type LocalStack, type Say, untilHealthy } from './running.ts';

const localstackVersion = '4.14.0';

/**
 * The one whose address is in `AWS_ENDPOINT_URL`, else a new one: with Docker where its daemon answers, else without. On CI always without, where
 * its functions reach this process, and no test is skipped.
 */
export async function startLocalStack(say: Say): Promise<LocalStack> {
  const given = process.env['AWS_ENDPOINT_URL'];
  if (given !== undefined && given !== '') {
    say(`LocalStack at ${given}, as AWS_ENDPOINT_URL says`);
    await untilHealthy(given, { waitMaxMs: 10_000 });
    return { kind: 'given', endpoint: given, stop: async () => {} };
  }
  const startedMs = performance.now();
  const port = await freePort();
  const localstack = process.env['CI'] !== 'true' && isDockerThere() ? await startInDocker(port, say) : await startOnHost({ port, say });
  say(`LocalStack ${localstackVersion} answers at ${localstack.endpoint} after ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  return localstack;
}

/** What SDKs, the CLI and CDK need to find it. An IP address in the URL keeps bucket names out of the host name. */
export function environmentOf({ endpoint }: Pick<LocalStack, 'endpoint'>): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_REGION: 'us-east-1',
    AWS_DEFAULT_REGION: 'us-east-1',
    CDK_DEFAULT_ACCOUNT: '000000000000',
    CDK_DEFAULT_REGION: 'us-east-1',
    CDK_DISABLE_CLI_TELEMETRY: 'true',
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

function isDockerThere(): boolean {
  const answers = (...args: string[]) => spawnSync('docker', args, { stdio: 'ignore', timeout: 10_000 }).status === 0;
  return answers('info') && answers('compose', 'version');
}

async function startInDocker(port: number, say: Say): Promise<LocalStack> {
  const endpoint = `http://127.0.0.1:${port}`;
  const compose = (...args: string[]) =>
    spawnSync('docker', ['compose', '-f', join(import.meta.dirname, 'compose.yaml'), '-p', `tapeline-localstack-${port}`, ...args], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, TAPELINE_LOCALSTACK_PORT: String(port) },
    }).status;
  const stop = async () => void compose('down', '--volumes', '--timeout', '5');
  say('starting LocalStack with Docker; the first time, its image is pulled');
  try {
    if (compose('up', '--detach', '--wait') !== 0) throw new Error('docker compose could not start LocalStack; what it said is above');
    await untilHealthy(endpoint, { waitMaxMs: 60_000 });
  } catch (error) {
    await stop();
    throw error;
  }
  return { kind: 'docker', endpoint, stop };
}
