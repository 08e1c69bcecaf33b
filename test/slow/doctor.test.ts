import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CloudFormationClient, CreateStackCommand } from '@aws-sdk/client-cloudformation';
import { CloudWatchClient, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Diagnosis } from '../../local/doctor/doctor.ts';
import { cache, makeOnce } from '../aws/make-once.ts';
import { account } from '../aws/table.ts';
import { root } from '../house/project.ts';
import { tapeline } from '../local/tapeline.ts';

const requirements = join(import.meta.dirname, 'moto', 'requirements.txt');
let moto: ChildProcess;
let endpoint = '';

beforeAll(async () => {
  const digest = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 16);
  const home = join(cache, 'moto', digest);
  makeOnce(home, install);
  moto = spawn(join(home, 'bin', 'python'), ['-c', 'from moto.server import main; main()', '-H', '127.0.0.1', '-p', '0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  endpoint = await endpointOf(moto);
}, 300_000);
afterAll(() => moto?.kill('SIGKILL'));

describe('the doctor, of an account in moto', () => {
  const doctor = async (...args: string[]) => {
    const env = { AWS_ENDPOINT_URL: endpoint, AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
    const { exitCode, stdout } = await tapeline(['doctor', '--json', ...args], { cwd: root, env });
    const { findings, ...rest } = JSON.parse(stdout) as Diagnosis;
    const of = (check: string) => findings.find((finding) => finding.check === check);
    return { exitCode, of, findings, ...rest };
  };
  const makeStack = async (StackName: string, template: object) => {
    await new CloudFormationClient({ ...account, endpoint }).send(
      new CreateStackCommand({ StackName, TemplateBody: JSON.stringify(template) }),
    );
  };

  it('misses the bootstrap, and says that nothing is deployed', async () => {
    const { exitCode, of, isDeployed, account } = await doctor();
    expect([exitCode, isDeployed, account]).toEqual([1, false, '123456789012']);
    expect(of('credentials')).toMatchObject({ verdict: 'ok', says: expect.stringMatching(/^arn:aws:sts::123456789012:/) });
    expect(of('bootstrap')).toMatchObject({ verdict: 'fail', todo: 'npx cdk bootstrap' });
    expect(of('shard quota')).toMatchObject({
      verdict: 'ok',
      says: expect.stringMatching(/^0 of \d+ shards are in use, the config has 2$/),
    });
  });

  it('sees a stack, its stream and its trades', async () => {
    await makeStack('CDKToolkit', { Resources: { Bucket: { Type: 'AWS::S3::Bucket' } }, Outputs: { BootstrapVersion: { Value: '30' } } });
    await makeStack('Tapeline', {
      Resources: {
        TapeStream0: { Type: 'AWS::Kinesis::Stream', Properties: { Name: 'tape', ShardCount: 2 } },
      },
      Outputs: { TapeStream: { Value: { Ref: 'TapeStream0' } } },
    });
    const cloudWatch = new CloudWatchClient({ ...account, endpoint });
    const service = [{ Name: 'service', Value: 'Tapeline/consume' }];
    await cloudWatch.send(
      new PutMetricDataCommand({
        Namespace: 'Tapeline',
        MetricData: [
          { MetricName: 'trades', Dimensions: service, Value: 1_234, Timestamp: new Date(Date.now() - 120_000) },
          { MetricName: 'quarantined', Dimensions: service, Value: 66, Timestamp: new Date(Date.now() - 120_000) },
        ],
      }),
    );
    const { exitCode, of, isDeployed } = await doctor();
    expect([exitCode, isDeployed]).toEqual([1, true]);
    expect(of('bootstrap')).toMatchObject({ verdict: 'ok', says: 'version 30' });
    expect(of('stack')).toMatchObject({ verdict: 'ok', says: 'CREATE_COMPLETE' });
    expect(of('tape')).toMatchObject({ verdict: 'ok', says: 'ACTIVE, 2 shards' });
    expect(of('trades')).toMatchObject({ verdict: 'ok', says: expect.stringMatching(/^1,234 in 15 minutes, the last [123] minutes ago$/) });
    expect(of('quarantine')).toMatchObject({ verdict: 'fail', says: '66 set aside, 5.08 % of the input' });
  });

  it('asks for another stack and region when it is told to', async () => {
    const { isDeployed, region, stack } = await doctor('--stack', 'Other', '--region', 'eu-central-1');
    expect([stack, region, isDeployed]).toEqual(['Other', 'eu-central-1', false]);
  });
});

function endpointOf(server: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let printed = '';
    const timer = setTimeout(() => reject(new Error(`moto did not start in 60 s: ${printed}`)), 60_000);
    const look = (part: Buffer) => {
      printed += part.toString();
      const found = /Running on (http:\/\/127\.0\.0\.1:\d+)/.exec(printed)?.[1];
      if (found === undefined) return;
      clearTimeout(timer);
      resolve(found);
    };
    server.stdout?.on('data', look);
    server.stderr?.on('data', look);
    server.on('exit', () => reject(new Error(`moto did not start: ${printed}`)));
  });
}

/** The list is whole, so that pip has nothing to resolve. */
function install(folder: string): void {
  execFileSync('python3', ['-m', 'venv', folder], { stdio: 'pipe' });
  const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--requirement', requirements];
  execFileSync(join(folder, 'bin', 'python'), ['-m', 'pip', 'install', ...options], { stdio: 'pipe' });
}
