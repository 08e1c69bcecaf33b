import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, it } from 'vitest';
import { root } from '../house/project.ts';
import { type Ended, start, tapeline } from '../local/tapeline.ts';

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

  it('no secret is in anything that is printed or written, but for the file of secrets', async () => {
    const token = 'hunter2-hunter2-hunter2';
    const addresses = { chat: `http://127.0.0.1:9/services/${token}`, broken: token };
    writeFileSync(
      join(folder, 'tapeline.config.ts'),
      `import { defineTapeline, slack, webhook } from '${root}/core/config.ts';
import emaCross from '${root}/strategies/ema-cross.ts';
export default defineTapeline({ strategies: [emaCross], deliver: [
  slack({ name: 'chat' }), slack({ name: 'broken' }), webhook({ name: 'hooks', url: 'http://127.0.0.1:9/' }),
] });\n`,
    );
    const said: Ended[] = [];
    for (const [name, address] of Object.entries(addresses)) said.push(await cli(`webhook secret ${name} --set --state s --json`, address));
    const signing = (await cli('webhook secret hooks --state s')).stdout.trim();
    said.push(await cli('simulate --symbols 20 --rate 20 --seconds 3600 --output trades.ndjson'));
    said.push(
      await cli('run --input trades.ndjson --state s --json'),
      await cli('deliveries --state s --json'),
      await cli('deliveries --state s'),
    );
    for (const name of ['chat', 'broken', 'hooks']) said.push(await cli(`webhook ping ${name} --state s`));
    expect(said.map(({ stdout, stderr }) => stdout + stderr).join('')).toContain('ECONNREFUSED');
    const isTold = (text: string) => [token, signing, signing.slice('whsec_'.length)].some((secret) => text.includes(secret));
    expect(said.filter(({ stdout, stderr }) => isTold(stdout + stderr))).toEqual([]);
    const files = readdirSync(join(folder, 's')).filter((name) => isTold(readFileSync(join(folder, 's', name), 'latin1')));
    expect(files).toEqual(['secrets.json']);
  });

  it('a resumed endpoint that is still down is waited for until its first retry, and what is left is told', async () => {
    const server = createServer((request, response) => request.resume().on('end', () => response.writeHead(503).end()));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const config = `import { defineTapeline, webhook } from '${root}/core/config.ts';
import emaCross from '${root}/strategies/ema-cross.ts';
export default defineTapeline({ strategies: [emaCross], deliver: [webhook({ name: 'down', url: 'http://127.0.0.1:${port}/' })] });\n`;
    writeFileSync(join(folder, 'down.config.ts'), config);
    await cli('webhook secret down --state down');
    await cli('simulate --symbols 20 --rate 20 --seconds 3600 --output few.ndjson');
    const ran = await cli('run --input few.ndjson --config down.config.ts --state down --json');
    expect(ran.stderr).toContain('run: endpoint "down" is down (answered 503): what comes for it waits\n');
    const { exitCode, stdout, stderr } = await cli('deliveries resume down --config down.config.ts --state down --json');
    expect([exitCode, JSON.parse(stdout)]).toMatchObject([1, { sentBy: 'this command', endpoints: [{ endpoint: 'down', delivered: 0 }] }]);
    expect(stderr).toContain('signals wait, 0 are dead letters (answered 503)');
    server.close();
  });

  it('a ping that nobody answers ends by Ctrl-C', async () => {
    await cli('webhook secret silent');
    const silent = createServer(() => waiting.child.kill('SIGINT')).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const waiting = start(['webhook', 'ping', `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`, '--name', 'silent'], {
      cwd: folder,
    });
    expect(await waiting.ended).toEqual({ exitCode: 130, signal: null, stdout: '', stderr: '' });
    silent.closeAllConnections();
    silent.close();
  });

  it('a listener ends by Ctrl-C', async () => {
    const { child, ended } = start(['listen', '--port', '0'], { cwd: folder });
    child.stderr?.once('data', () => child.kill('SIGINT'));
    expect(await ended).toMatchObject({ exitCode: 130 });
  });
});
