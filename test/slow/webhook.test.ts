import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, it } from 'vitest';
import { start, tapeline } from '../local/tapeline.ts';

const folder = mkdtempSync(join(tmpdir(), 'tapeline-webhook-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const cli = (args: string, input = '') => tapeline(args.split(' '), { cwd: folder, input });

describe('webhooks on the command line', () => {
  it.each([
    ['webhook secret Hooks', 'name must be'],
    ['webhook ping', 'missing required argument'],
    ['webhook pong hooks', 'unknown command'],
    ['listen --name nobody', 'tapeline webhook secret nobody'],
    ['listen --fail sometimes', '--fail must be'],
    ['listen --port x', '--port must be'],
    ['listen --secret hunter2', 'a signing secret must be'],
  ])('%s is wrong usage', async (args, message) => {
    expect(await cli(args)).toMatchObject({ exitCode: 2, stdout: '', stderr: expect.stringContaining(message) });
  });

  it.each(['listen', 'webhook secret', 'webhook rotate', 'webhook ping'])('%s has help with examples', async (verb) => {
    const { exitCode, stdout } = await cli(`${verb} --help`);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(new RegExp(`Examples:\\n(  .*\\n)*  npx tapeline ${verb}`));
    expect(Math.max(...stdout.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(120);
  });

  it('a ping reaches a listener that verifies', async () => {
    await cli('webhook secret hooks');
    const { child, ended } = start('listen --name hooks --port 0 --json --count 1'.split(' '), { cwd: folder });
    const said = createInterface({ input: child.stderr as NodeJS.ReadableStream });
    const url = await new Promise<string>((done) => said.on('line', (line) => done(/http:\S+\//.exec(line)?.[0] as string)));
    expect(await cli(`webhook ping ${url} --name hooks --json`)).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('"delivered"'),
    });
    const { exitCode, stdout } = await ended;
    expect([exitCode, JSON.parse(stdout)]).toMatchObject([
      0,
      { kind: 'received', isVerified: true, events: [{ type: 'tapeline.ping.v1' }] },
    ]);
  });

  it('a listener ends by Ctrl-C', async () => {
    const { child, ended } = start(['listen', '--port', '0'], { cwd: folder });
    child.stderr?.once('data', () => child.kill('SIGINT'));
    expect(await ended).toMatchObject({ exitCode: 130 });
  });
});
