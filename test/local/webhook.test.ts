import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeSender } from '../../adapters/delivery/senders.ts';
import { newSigningSecret } from '../../adapters/delivery/standard-webhooks.ts';
import { ConfigError, webhook } from '../../core/config.ts';
import { explain } from '../../local/exit.ts';
import { failureOf, type Heard, listen, type ListenOptions } from '../../local/listen.ts';
import type { Session } from '../../local/verbs/session.ts';
import {
  type PingOptions,
  pingCommand,
  type RotateOptions,
  rotateCommand,
  type SecretOptions,
  secretCommand,
} from '../../local/webhook.ts';
import { signalOf } from '../adapters/bus/signals.ts';
import { root } from '../house/project.ts';

const folder = mkdtempSync(join(tmpdir(), 'tapeline-webhook-'));

beforeAll(() => {
  writeFileSync(
    join(folder, 'tapeline.config.ts'),
    `import { defineTapeline, slack, sqs, webhook } from '${root}/core/config.ts';
export default defineTapeline({ deliver: [
  slack({ name: 'chat' }), webhook({ name: 'hooks', url: 'http://127.0.0.1:1/' }), sqs({ queueArn: 'arn:aws:sqs:eu-central-1:123456789012:orders' }),
] });\n`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a receiver on this machine', () => {
  const secret = newSigningSecret();
  const sender = makeSender({
    secrets: { read: async () => [secret], write: async () => undefined },
    isLocalhostAllowed: true,
    timeoutMs: 300,
  });
  afterAll(() => sender.close());

  async function hearing(options: Partial<ListenOptions>, windows: readonly number[]) {
    const heard: Heard[] = [];
    const listener = await listen({ port: 0, secrets: async () => [secret], onHeard: (each) => heard.push(each), ...options });
    const outcomes = [];
    try {
      for (const window of windows) {
        const signal = signalOf('IBM', window);
        const attempt = {
          endpoint: webhook({ name: 'hooks', url: listener.url }),
          deliveryId: signal.signalId,
          signals: [signal],
          attemptedAtMs: Date.now(),
        };
        outcomes.push(await sender.send(attempt, new AbortController().signal));
      }
    } finally {
      await listener.close();
    }
    return { heard, outcomes };
  }

  it('takes each delivery once, by its id, and every repeat well', async () => {
    const { heard, outcomes } = await hearing({}, [0, 1, 0, 0, 2]);
    expect(heard.map(({ kind }) => kind)).toEqual(['received', 'received', 'repeat', 'repeat', 'received']);
    expect(heard[0]).toMatchObject({ id: signalOf('IBM', 0).signalId, isVerified: true, events: [{ data: signalOf('IBM', 0) }] });
    expect(outcomes.every(({ kind }) => kind === 'delivered')).toBe(true);
  });

  it('refuses what another has signed, and says nothing of verification where it was given no secret', async () => {
    const refused = await hearing({ secrets: async () => [newSigningSecret()] }, [0]);
    expect(refused).toMatchObject({ heard: [{ kind: 'refused', reason: 'signature-wrong' }], outcomes: [{ kind: 'failed', status: 401 }] });
    expect(await hearing({ secrets: undefined }, [0])).toMatchObject({ heard: [{ kind: 'received', isVerified: false }] });
  });

  it('follows its secrets while they rotate', async () => {
    const turns = [[newSigningSecret()], [newSigningSecret(), secret], [secret]];
    const { heard } = await hearing({ secrets: async () => turns.shift() ?? [] }, [0, 0, 1, 2]);
    expect(heard.map(({ kind }) => kind)).toEqual(['refused', 'received', 'received', 'refused']);
  });

  it('fails so many times as it is told to, and has received nothing then', async () => {
    const { heard, outcomes } = await hearing({ fail: failureOf('503'), failTimes: 2 }, [0, 0, 0, 0]);
    expect(heard.map(({ kind }) => kind)).toEqual(['failed', 'failed', 'received', 'repeat']);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['failed', 'failed', 'delivered', 'delivered']);
  });

  it.each([
    ['500', { kind: 'failed', status: 500 }],
    ['410', { kind: 'gone' }],
    ['redirect', { kind: 'failed', status: 302 }],
    ['busy', { kind: 'failed', status: 429, retryAfterMs: 5_000 }],
    ['timeout', { kind: 'failed', reason: 'no answer within 300 ms' }],
    ['slow', { kind: 'failed', reason: 'no answer within 300 ms' }],
    ['hang', { kind: 'failed', reason: 'no answer within 300 ms' }],
    ['reset', { kind: 'failed', reason: expect.stringMatching(/ECONNRESET|hang up/) }],
    ['endless', { kind: 'failed', status: 500 }],
  ])('fails as %s', async (name, outcome) => {
    expect(await hearing({ fail: failureOf(name) }, [0])).toMatchObject({ heard: [{ kind: 'failed' }], outcomes: [outcome] });
  });

  it.each(['200', '600', 'toString', 'resets', ''])('knows no failure %j, and says which it knows', (name) => {
    expect(() => failureOf(name)).toThrow(ConfigError);
    expect(() => failureOf(name)).toThrow(/timeout, slow, hang, reset.*did you mean/);
  });

  it('has no answer for what is no delivery', async () => {
    const listener = await listen({ port: 0, onHeard: () => expect.unreachable() });
    expect((await fetch(listener.url)).status).toBe(405);
    await expect(fetch(listener.url, { method: 'POST', body: 'x'.repeat(1_100_000) })).rejects.toThrow();
    await listener.close();
  });
});

describe('webhook', () => {
  /** What a verb printed, and its exit code. */
  async function ran(work: (session: Session) => Promise<number>, signal = new AbortController().signal) {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const session: Session = {
      stdout,
      stderr,
      signal,
      isReaderGone: () => false,
      finish: async () => undefined,
    };
    const exitCode = await work(session);
    return { exitCode, stdout: String(stdout.read() ?? ''), stderr: String(stderr.read() ?? '') };
  }
  const at = (state: string) => ({ state: join(folder, state), config: join(folder, 'tapeline.config.ts') });
  const secretOf = (name: string, options: SecretOptions, input = '') =>
    ran((session) => secretCommand(name, options, session, Readable.from([input])));
  const rotate = (name: string, options: RotateOptions) => ran((session) => rotateCommand(name, options, session));
  const ping = (target: string, options: PingOptions) => ran((session) => pingCommand(target, options, session));
  const saved = (state: string) => JSON.parse(readFileSync(join(folder, state, 'secrets.json'), 'utf8'));

  it('secret makes one, shows the same one again, and keeps it where only its owner may read', async () => {
    const made = await secretOf('hooks', at('a'));
    expect(made).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=\n$/),
      stderr: expect.stringContaining('made'),
    });
    expect(await secretOf('hooks', at('a'))).toMatchObject({ stdout: made.stdout, stderr: expect.stringContaining('known') });
    expect(JSON.parse((await secretOf('hooks', { ...at('a'), json: true })).stdout)).toEqual({
      name: 'hooks',
      secrets: [made.stdout.trim()],
    });
    if (process.platform !== 'win32') expect(statSync(join(folder, 'a', 'secrets.json')).mode & 0o777).toBe(0o600);
  });

  it('rotate lets both sign until it is finished', async () => {
    const old = (await secretOf('hooks', at('b'))).stdout.trim();
    const [fresh, second] = (await rotate('hooks', at('b'))).stdout.trim().split('\n');
    expect(second).toBe(old);
    expect(saved('b')).toEqual({ hooks: [fresh, old] });
    await expect(rotate('hooks', at('b'))).rejects.toThrow('--finish');
    expect(await rotate('hooks', { ...at('b'), finish: true })).toMatchObject({ exitCode: 0, stdout: '' });
    expect(saved('b')).toEqual({ hooks: [fresh] });
    await expect(rotate('hooks', { ...at('b'), finish: true })).rejects.toThrow('does not rotate');
    await expect(rotate('other', at('b'))).rejects.toThrow('no secret');
  });

  it('secret takes a chat’s from standard input and does not show it; makes none for a chat', async () => {
    const address = 'https://hooks.slack.example/services/T0/B0/hunter2';
    await expect(secretOf('chat', at('c'))).rejects.toThrow('--set');
    const set = await secretOf('chat', { ...at('c'), set: true, json: true }, `${address}\n`);
    expect(set).toMatchObject({ exitCode: 0, stdout: '{"name":"chat","secrets":1}\n' });
    expect(`${set.stdout}${set.stderr}`).not.toContain('hunter2');
    expect(saved('c')).toEqual({ chat: [address] });
    const error = await rotate('chat', at('c')).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'config-invalid', message: expect.not.stringContaining('hunter2') });
    expect(await secretOf('chat', { ...at('c'), remove: true })).toMatchObject({ exitCode: 0 });
    expect(saved('c')).toEqual({});
  });

  it.each<[string, Omit<SecretOptions, 'state'>, string, string]>([
    ['Hooks', {}, '', 'name must be'],
    ['orders', {}, '', '"orders" is of kind sqs, which needs no secret'],
    ['hooks', { set: true }, '', 'received none or several'],
    ['hooks', { set: true }, 'hunter2 hunter2', 'received none or several'],
    ['hooks', { set: true }, 'whsec_hunter2', 'a signing secret must be'],
    ['hooks', { set: true, remove: true }, '', 'not both'],
  ])('secret of %s with %j and %j is wrong usage, and is not told: %s', async (name, options, input, message) => {
    const error = await secretOf(name, { ...at('d'), ...options }, input).catch((thrown) => thrown);
    expect([explain(error).exitCode, error.message]).toEqual([2, expect.stringContaining(message)]);
    expect(error.message).not.toContain('hunter2');
  });

  it('a secret that nobody types is not waited for after Ctrl-C', async () => {
    const stop = new AbortController();
    const waiting = ran((session) => secretCommand('hooks', { ...at('f'), set: true }, session, new PassThrough()), stop.signal);
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError', cause: stop.signal.reason });
  });

  it('ping says what came of it', async () => {
    expect(await ping('hooks', at('e'))).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('tapeline webhook secret hooks') });
    await secretOf('hooks', at('e'));
    expect(await ping('hooks', at('e'))).toMatchObject({
      exitCode: 1,
      stdout: expect.stringMatching(/^hooks: failed: .*ECONNREFUSED.*ms\n$/),
    });
    const heard: Heard[] = [];
    const listener = await listen({ port: 0, secrets: async () => saved('e').hooks, onHeard: (each) => heard.push(each) });
    const { exitCode, stdout } = await ping(listener.url, { ...at('e'), name: 'hooks', json: true });
    await listener.close();
    expect([exitCode, JSON.parse(stdout)]).toEqual([
      0,
      { endpoint: 'hooks', kind: 'delivered', status: 204, durationMs: expect.any(Number) },
    ]);
    expect(heard).toMatchObject([{ kind: 'received', isVerified: true, events: [{ type: 'tapeline.ping.v1' }] }]);
    await expect(ping('hookz', at('e'))).rejects.toThrow('did you mean "hooks"');
  });
});
