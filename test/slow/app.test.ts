import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { root } from '../house/project.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'tapeline-app-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the CDK app', () => {
  it('is what cdk.json starts, and takes its settings from the context', async () => {
    await synth({ name: 'Trial', shards: '5', history: 'none', signals: 'fund@example.com', emulator: 'true' });
    const template = readFileSync(join(folder, 'Trial.template.json'), 'utf8');
    const { Resources } = JSON.parse(template) as { Resources: Record<string, { Type: string; Properties: Record<string, unknown> }> };
    const emails = Object.values(Resources).flatMap(({ Type, Properties }) =>
      Type === 'AWS::SNS::Subscription' ? [Properties['Endpoint']] : [],
    );
    expect(Object.values(Resources).find(({ Type }) => Type === 'AWS::Kinesis::Stream')?.Properties).toMatchObject({ ShardCount: 5 });
    expect(emails).toEqual(['fund@example.com']);
    expect(template).not.toContain('AWS::KinesisFirehose');
    expect(template).not.toContain('AWS::Events::Archive');
  });

  it.each([
    [{ shards: '0' }, 'context "shards" must be a whole number from 1 to 9999 or on-demand, received "0"'],
    [{ history: 'duckdb' }, 'context "history" must be one of parquet, timestream, none, received "duckdb"'],
    [{ alarms: 'nobody' }, 'context "alarms" must be an e-mail address, received "nobody"'],
    [{ emulator: 'yes' }, 'context "emulator" must be one of true, false, received "yes"'],
  ])('refuses %j', async (context, message) => {
    await expect(synth(context)).rejects.toThrow(message);
  });
});

async function synth(context: Record<string, string>): Promise<void> {
  const { app } = JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8')) as { app: string };
  const [command, ...args] = app.split(' ') as [string, ...string[]];
  expect(command).toBe('node');
  await run(process.execPath, args, {
    cwd: root,
    env: { CDK_OUTDIR: folder, CDK_CONTEXT_JSON: JSON.stringify({ ...context, 'aws:cdk:bundling-stacks': [] }) },
  });
}
