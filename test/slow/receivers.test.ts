import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeSender } from '../../adapters/delivery/senders.ts';
import { newSigningSecret } from '../../adapters/delivery/standard-webhooks.ts';
import { webhook } from '../../core/delivery.ts';
import type { Signal } from '../../core/signal.ts';
import { signalOf } from '../adapters/bus/signals.ts';
import { root } from '../house/project.ts';

const pythons = newestAndOwn(['python3', ...pyenvPythons()].filter(isNewEnough));
if (pythons.length === 0) console.warn('skipped: the Python receiver (there is no Python 3.9 or newer)');
const receivers = [
  ['hono.ts', process.execPath],
  ['express.ts', process.execPath],
  ...pythons.map((python) => ['receiver.py', python] as const),
] as const;
const never = new AbortController().signal;

describe.each(receivers)('docs/receive/%s with %s', (file, program) => {
  const secret = newSigningSecret();
  const sender = makeSender({ secrets: { read: async () => [secret], write: async () => undefined }, isLocalhostAllowed: true });
  let folder = '';
  let running: Running;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tapeline-receiver-'));
    running = await startReceiver([program, join(root, 'docs', 'receive', file)], folder, secret);
  });
  afterAll(async () => {
    sender.close();
    await running.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const deliver = (...signals: readonly Signal[]) =>
    sender.send(
      {
        endpoint: webhook({ name: 'hooks', url: running.url, ...(signals.length > 1 && { batch: { signalsMax: 40, waitMs: 0 } }) }),
        deliveryId: signals.length > 1 ? 'batch_1' : (signals[0]?.signalId as string),
        signals,
        attemptedAtMs: Date.now(),
      },
      never,
    );
  const post = (body: string, headers: Record<string, string>) => fetch(running.url, { method: 'POST', body, headers });
  const delivered = { kind: 'delivered', status: 204 };

  it('acts on each signal once, however often it comes, in its order and quickly', async () => {
    const signals = Array.from({ length: 5 }, (_, i) => signalOf(`S${i}`, i));
    const startedMs = performance.now();
    for (const signal of signals) for (let attempt = 0; attempt < 3; attempt++) expect(await deliver(signal)).toEqual(delivered);
    expect((performance.now() - startedMs) / 15).toBeLessThan(2_000);
    expect(await running.acted(5)).toEqual(signals.map(({ symbol }) => `buy ${symbol} at 181.88 (ema-cross)`));
  });

  it('acts on a batch, but for what it knows from before', async () => {
    expect(await deliver(signalOf('S4', 4), signalOf('T0', 0), signalOf('T1', 1))).toEqual(delivered);
    expect((await running.acted(7)).slice(5)).toEqual(['buy T0 at 181.88 (ema-cross)', 'buy T1 at 181.88 (ema-cross)']);
  });

  it('refuses another secret, a changed body, another id, an old time and no signature at all', async () => {
    const body = JSON.stringify({
      id: 'forged',
      type: 'tapeline.signal.v1',
      data: { symbol: 'EVIL', side: 'buy', price: 1, strategy: 'x' },
    });
    const headersAt = (time: Date, by = secret) => ({
      'content-type': 'application/cloudevents+json',
      'webhook-id': 'forged',
      'webhook-timestamp': String(Math.floor(time.getTime() / 1000)),
      'webhook-signature': new Webhook(by).sign('forged', time, body),
    });
    const now = new Date();
    const statuses = [
      await post(body, headersAt(now, newSigningSecret())),
      await post(`${body} `, headersAt(now)),
      await post(body, { ...headersAt(now), 'webhook-id': 'other' }),
      await post(body, headersAt(new Date(Date.now() - 301_000))),
      await post(body, headersAt(new Date(Date.now() + 302_000))),
      await post(body, {}),
      await post('', {}),
    ].map(({ status }) => status);
    expect(statuses).toEqual([401, 401, 401, 401, 401, 401, 401]);
  });

  it('takes what was signed with the old and the new secret', async () => {
    const both = makeSender({
      secrets: { read: async () => [newSigningSecret(), secret], write: async () => undefined },
      isLocalhostAllowed: true,
    });
    const signal = signalOf('R0', 0);
    const attempt = {
      endpoint: webhook({ name: 'hooks', url: running.url }),
      deliveryId: signal.signalId,
      signals: [signal],
      attemptedAtMs: Date.now(),
    };
    expect(await both.send(attempt, never).finally(() => both.close())).toEqual(delivered);
  });

  it('answers a ping and does nothing', async () => {
    expect(await sender.ping(webhook({ name: 'hooks', url: running.url }), Date.now(), never)).toEqual(delivered);
  });

  it('knows after a restart what it has had, and that is all that it did', async () => {
    expect((await running.acted(8)).length).toBe(8);
    await running.stop();
    running = await startReceiver([program, join(root, 'docs', 'receive', file)], folder, secret);
    expect(await deliver(signalOf('S0', 0))).toEqual(delivered);
    expect(await deliver(signalOf('Z', 0))).toEqual(delivered);
    expect(await running.acted(1)).toEqual(['buy Z at 181.88 (ema-cross)']);
  });
});

describe.each(receivers)('a copy of docs/receive/%s with %s, whose act throws once', (file, program) => {
  it('acts on it a little later, before what came after it for its symbol, and on other symbols meanwhile', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tapeline-receiver-'));
    const secret = newSigningSecret();
    const sender = makeSender({ secrets: { read: async () => [secret], write: async () => undefined }, isLocalhostAllowed: true });
    const running = await startReceiver([program, copyThatFailsOnce(file, folder)], folder, secret);
    try {
      const endpoint = webhook({ name: 'hooks', url: running.url });
      for (const signal of [signalOf('FAILS', 0), signalOf('FAILS', 1), signalOf('IBM', 0)]) {
        const attempt = { endpoint, deliveryId: signal.signalId, signals: [signal], attemptedAtMs: Date.now() };
        expect(await sender.send(attempt, never)).toEqual({ kind: 'delivered', status: 204 });
      }
      const symbols = async (count: number) => (await running.acted(count)).map((line) => line.split(' ')[1]);
      expect(await symbols(1)).toEqual(['IBM']);
      expect(await symbols(3)).toEqual(['IBM', 'FAILS', 'FAILS']);
    } finally {
      sender.close();
      await running.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** What a receiver's own work is in the file, and one that fails the first time for one symbol. */
const failingOnce = {
  '.ts': [
    '({ data }) => ',
    `({ data }) => data.symbol === 'FAILS' && (globalThis.times = (globalThis.times ?? 0) + 1) === 1 ? Promise.reject(new Error('told to')) : `,
  ],
  '.py': [
    'def act(event):\n',
    `times = []\n\n\ndef act(event):\n    if event["subject"] == "FAILS" and not times:\n        times.append(1)\n        raise ValueError("told to")\n`,
  ],
} as const;

function copyThatFailsOnce(file: string, folder: string): string {
  for (const each of readdirSync(join(root, 'docs', 'receive'))) copyFileSync(join(root, 'docs', 'receive', each), join(folder, each));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const copy = join(folder, file);
  const [act, failing] = failingOnce[extname(file) as keyof typeof failingOnce];
  const source = readFileSync(copy, 'utf8');
  expect(source).toContain(act);
  writeFileSync(copy, source.replace(act, failing));
  return copy;
}

type Running = { readonly url: string; acted(count: number): Promise<readonly string[]>; stop(): Promise<void> };

async function startReceiver([program, ...args]: readonly [string, ...string[]], cwd: string, secret: string): Promise<Running> {
  const env = { ...process.env, TAPELINE_WEBHOOK_SECRET: secret, PORT: '0', NODE_OPTIONS: '' };
  const child: ChildProcess = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (part: string) => (errors += part));
  const lines: string[] = [];
  const url = await new Promise<string>((done, fail) => {
    child.on('exit', (code) => fail(new Error(`the receiver ended with ${code}: ${errors}`)));
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const listening = /^listening at (.*)$/.exec(line)?.[1];
      if (listening === undefined) lines.push(line);
      else done(listening);
    });
  });
  return {
    url,
    async acted(count) {
      for (let waits = 0; lines.length < count && waits < 1_000; waits++) await sleep(10);
      await sleep(50);
      return lines;
    },
    async stop() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

function isNewEnough(python: string): boolean {
  return spawnSync(python, ['-c', 'import sys; sys.exit(sys.version_info < (3, 9))']).status === 0;
}

/** Other versions that this machine has, oldest first. */
function pyenvPythons(): string[] {
  const versions = join(process.env['PYENV_ROOT'] ?? join(process.env['HOME'] ?? '', '.pyenv'), 'versions');
  if (!existsSync(versions)) return [];
  const byNumber = new Intl.Collator('en', { numeric: true }).compare;
  return readdirSync(versions)
    .toSorted(byNumber)
    .map((version) => join(versions, version, 'bin', 'python3'));
}

function newestAndOwn(found: readonly string[]): string[] {
  return [...new Set([found[0], found.at(-1)])].filter((python) => python !== undefined);
}
