import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ndjson } from '../../adapters/feeds/ndjson.ts';
import type { FeedOutput } from '../../adapters/feeds/feed.ts';
import type { SimulationCounts } from '../../core/simulation.ts';
import { badLineKinds } from '../../core/simulation-bad-lines.ts';
import { TradeBatch } from '../../core/trade.ts';
import { type SimulateOptions, simulateCommand } from '../../local/simulate.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tapeline-simulate-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const faults = { seconds: 20, outOfOrderMs: 500, lateShare: 0.02, duplicates: 0.03, bad: 0.04 };

describe('the simulate command', () => {
  it('writes lines of which a feed reads every trade, and refuses every bad one for its reason', async () => {
    const { bytes, counts } = await written(faults);
    const out = decoded(bytes);
    const byReason: Record<string, number> = {};
    for (const { reason } of out.rejected) byReason[reason] = (byReason[reason] ?? 0) + 1;
    expect(byReason).toEqual(counts.badByReason);
    expect(out.rejected).toHaveLength(counts.bad);
    expect(counts.bad).toBeGreaterThan(badLineKinds.length);
    expect(out.trades.length).toBe(counts.trades + counts.duplicates);
    expect(bytes.toString('latin1').trimEnd().split('\n')).toHaveLength(counts.lines);
  });

  it('writes the same bytes for the same seed', async () => {
    expect((await written(faults)).bytes.equals((await written(faults)).bytes)).toBe(true);
    expect((await written({ ...faults, seed: 8 })).bytes.equals((await written(faults)).bytes)).toBe(false);
  });

  it('writes to a file with --output, and its counts to standard output with --json', async () => {
    const output = join(folder, 'market.ndjson');
    const told = await run({ seconds: '1', output, json: true });
    expect(told).toMatchObject({ exitCode: 0, stderr: '' });
    const { bytes } = await written({ seconds: 1 });
    expect(readFileSync(output).equals(bytes)).toBe(true);
    expect(JSON.parse(told.stdout)).toMatchObject({ lines: 460, trades: 460 });
  });

  it('tells its counts in a line that people read', async () => {
    expect((await run({ seconds: 10 })).stderr).toMatch(
      /^4,600 lines: 4,600 trades of 1,\d\d\d symbols \(0 of them late\), 0 duplicates, 0 bad\n$/,
    );
  });

  it('takes a start with any offset', async () => {
    const { counts } = await written({ seconds: 1, rate: 100_000, start: '2024-07-01T09:30:00-04:00' });
    expect(counts.firstEventTimeMs).toBe(Date.UTC(2024, 6, 1, 13, 30));
  });

  it.each<[Partial<SimulateOptions>, string]>([
    [{ rate: 'fast' }, 'rate must be a number, received "fast"'],
    [{ rate: '' }, 'rate must be a number, received ""'],
    [{ symbols: '0' }, 'symbols must be a whole number from 1 to 200,000, received "0"'],
    [{ start: 'yesterday' }, 'start must be Unix milliseconds or a time such as "2013-10-07T13:30:00Z", received "yesterday"'],
    [{ start: '2024-02-31T00:00:00Z' }, 'received "2024-02-31T00:00:00Z"'],
    [{ start: '2024-01-02T14:30:00' }, 'received "2024-01-02T14:30:00"'],
    [{ bad: 1.5 }, 'bad must be from 0 to 1, received "1.5"'],
  ])('finds fault with %j and writes nothing', async (options, message) => {
    const told = await run(options);
    expect(told).toMatchObject({ exitCode: 2, stdout: '' });
    expect(told.stderr.startsWith('tapeline simulate: ')).toBe(true);
    expect(told.stderr).toContain(message);
  });

  it('fails when its file cannot be written', async () => {
    const output = join(folder, 'missing', 'market.ndjson');
    expect(await run({ seconds: 1, output })).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('the lines cannot be written: ENOENT'),
    });
  });

  it('holds no more than its reader takes', async () => {
    let heldMax = 0;
    const slow = new Writable({
      highWaterMark: 1_000_000,
      write(_chunk, _encoding, done) {
        heldMax = Math.max(heldMax, slow.writableLength);
        setImmediate(done);
      },
    });
    expect(await simulateCommand({ seconds: 10, rate: 50_000, stdout: slow, stderr: new PassThrough().resume() })).toBe(0);
    expect(heldMax).toBeGreaterThan(0);
    expect(heldMax).toBeLessThan(3_000_000);
  });

  it('ends in silence when its reader has seen enough', async () => {
    const source = `
      import { simulateCommand } from ${JSON.stringify(new URL('../../local/simulate.ts', import.meta.url).href)};
      process.exitCode = await simulateCommand({ seconds: Infinity, rate: 100000, stdout: process.stdout, stderr: process.stderr });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'pipe'] });
    const told = text(child.stderr);
    await once(child.stdout, 'data');
    child.stdout.destroy();
    const [exitCode] = await once(child, 'exit');
    expect({ exitCode, told: await told }).toEqual({ exitCode: 0, told: '' });
  });

  it('gives each trade in its time with --pace, and ends when it is stopped', async () => {
    const stop = new AbortController();
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    const startedMs = performance.now();
    const running = simulateCommand({ seconds: 3_600, rate: 2_000, pace: true, json: true, stdout, stderr, signal: stop.signal });
    let printed = '';
    stdout.setEncoding('utf8').on('data', (part: string) => (printed += part));
    for (let waits = 0; printed.length < 50_000 && waits < 1_000; waits++) await sleep(10);
    stop.abort();
    expect(await running).toBe(130);
    const passedMs = performance.now() - startedMs;
    stderr.end();
    const lines = printed.trimEnd().split('\n');
    const counts = JSON.parse(await text(stderr)) as SimulationCounts;
    expect(counts.lines).toBe(lines.length);
    expect(lines.length).toBeGreaterThan(300);
    expect(Number(counts.lastEventTimeMs) - Number(counts.firstEventTimeMs)).toBeLessThanOrEqual(passedMs);
  });
});

async function run(options: Partial<SimulateOptions>): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const told = Promise.all([text(stdout), text(stderr)]);
  const exitCode = await simulateCommand({ ...options, stdout, stderr });
  stdout.end();
  stderr.end();
  const [out, err] = await told;
  return { exitCode, stdout: out, stderr: err };
}

async function written(options: Partial<SimulateOptions>): Promise<{ bytes: Buffer; counts: SimulationCounts }> {
  const chunks: Buffer[] = [];
  const stdout = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  const stderr = new PassThrough();
  expect(await simulateCommand({ ...options, json: true, stdout, stderr })).toBe(0);
  stderr.end();
  return { bytes: Buffer.concat(chunks), counts: JSON.parse(await text(stderr)) };
}

function decoded(bytes: Buffer): FeedOutput {
  const out: FeedOutput = { trades: new TradeBatch(), rejected: [] };
  const decoder = ndjson.decoder();
  decoder.push(bytes, out);
  decoder.end(out);
  return out;
}
