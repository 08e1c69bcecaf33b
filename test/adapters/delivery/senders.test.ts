import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { signalEventOf } from '../../../adapters/bus/signal-event.ts';
import { chatLineOf, chatText } from '../../../adapters/delivery/chat-text.ts';
import { discordPost } from '../../../adapters/delivery/discord.ts';
import { type SecretStore, SecretsUnavailable } from '../../../adapters/delivery/secrets.ts';
import type { Attempt, Outcome } from '../../../adapters/delivery/sender.ts';
import { makeSender, type SenderOptions } from '../../../adapters/delivery/senders.ts';
import { slackPost } from '../../../adapters/delivery/slack.ts';
import { newSigningSecret } from '../../../adapters/delivery/standard-webhooks.ts';
import { telegramPost } from '../../../adapters/delivery/telegram.ts';
import { command, discord, type Endpoint, slack, telegram, webhook } from '../../../core/delivery.ts';
import { signalOf } from '../bus/signals.ts';

type Received = { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: string };

const never = new AbortController().signal;
const server = createServer(async (request, response) => {
  let body = '';
  for await (const part of request.setEncoding('utf8')) body += part;
  received.push({ path: request.url as string, headers: request.headers, body });
  answer(response);
});
let url = '';
let received: Received[] = [];
let answer: (response: ServerResponse) => void;
let folder = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tapeline-senders-'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://localhost:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  received = [];
  answer = (response) => response.writeHead(204).end();
});

async function send(
  endpoint: Endpoint,
  secrets: readonly string[],
  { attempt = {}, signal = never, ...options }: Partial<SenderOptions> & { attempt?: Partial<Attempt>; signal?: AbortSignal } = {},
): Promise<Outcome> {
  const store: SecretStore = { read: async (name) => (name === endpoint.name ? secrets : []), write: async () => undefined };
  const sender = makeSender({ secrets: store, isLocalhostAllowed: true, telegramUrl: url, ...options });
  const signals = attempt.signals ?? [signalOf('IBM', 0)];
  const deliveryId = signals[0]?.signalId as string;
  return sender.send({ endpoint, deliveryId, signals, attemptedAtMs: Date.now(), ...attempt }, signal).finally(() => sender.close());
}

describe('a webhook', () => {
  const secret = newSigningSecret();
  const hooks = () => webhook({ name: 'hooks', url: `${url}/hooks` });

  it('brings a signed CloudEvent that the official package verifies, again with the same id and body', async () => {
    const signal = signalOf('BRK.B', 0);
    for (const attemptedAtMs of [Date.now() - 60_000, Date.now()])
      expect(await send(hooks(), [secret], { attempt: { signals: [signal], attemptedAtMs } })).toEqual({ kind: 'delivered', status: 204 });
    for (const { headers, body } of received) {
      expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toEqual(signalEventOf(signal, { source: '/tapeline' }));
      expect(headers['content-type']).toBe('application/cloudevents+json; charset=utf-8');
    }
    const [first, second] = received as [Received, Received];
    expect([first.headers['webhook-id'], first.body]).toEqual([signal.signalId, second.body]);
    expect(second.headers['webhook-id']).toBe(signal.signalId);
    expect(Number(second.headers['webhook-timestamp']) - Number(first.headers['webhook-timestamp'])).toBe(60);
  });

  it('is refused by the official package with another secret, a changed body or an old time', async () => {
    await send(hooks(), [secret]);
    await send(hooks(), [secret], { attempt: { attemptedAtMs: Date.now() - 301_000 } });
    const [{ body, headers }, old] = received as [Received, Received];
    const given = headers as Record<string, string>;
    expect(() => new Webhook(newSigningSecret()).verify(body, given)).toThrow('No matching signature');
    expect(() => new Webhook(secret).verify(body.replace('"buy"', '"sell"'), given)).toThrow('No matching signature');
    expect(() => new Webhook(secret).verify(body, { ...given, 'webhook-id': 'another' })).toThrow('No matching signature');
    expect(() => new Webhook(secret).verify(old.body, old.headers as Record<string, string>)).toThrow('too old');
  });

  it('is signed with the old and the new secret while one rotates', async () => {
    const fresh = newSigningSecret();
    await send(hooks(), [fresh, secret]);
    const [{ body, headers }] = received as [Received];
    for (const known of [fresh, secret]) expect(() => new Webhook(known).verify(body, headers as Record<string, string>)).not.toThrow();
  });

  it('brings several signals as a batch of CloudEvents, and one too where the endpoint takes batches', async () => {
    const endpoint = webhook({ name: 'hooks', url: `${url}/hooks`, batch: { signalsMax: 10, waitMs: 0 } });
    const signals = [signalOf('A', 0), signalOf('B', 1)];
    await send(endpoint, [secret], { attempt: { signals, deliveryId: 'batch_1' } });
    await send(endpoint, [secret]);
    const [{ body, headers }, single] = received as [Received, Received];
    expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toEqual(
      signals.map((signal) => signalEventOf(signal, { source: '/tapeline' })),
    );
    expect(headers['content-type']).toBe('application/cloudevents-batch+json; charset=utf-8');
    expect(JSON.parse(single.body)).toHaveLength(1);
  });

  it('meets the published schema of the event', async () => {
    const schema = (name: string) => JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', '..', 'schemas', name), 'utf8'));
    await send(hooks(), [secret]);
    const isValid = new Ajv2020({ strict: true, validateFormats: false })
      .addSchema(schema('signal.v1.json'))
      .compile(schema('signal-event.v1.json'));
    expect([isValid(JSON.parse(received[0]?.body as string)), isValid.errors]).toEqual([true, null]);
  });

  const soon = new Date(Date.now() + 60_000).toUTCString();
  it.each<[number, Record<string, string>, string, object]>([
    [200, {}, 'ok', { kind: 'delivered', status: 200 }],
    [201, {}, '', { kind: 'delivered', status: 201 }],
    [299, {}, '', { kind: 'delivered', status: 299 }],
    [301, { location: '/elsewhere' }, 'moved', { kind: 'failed', status: 301, reason: 'answered 301: redirects are not followed' }],
    [304, {}, '', { kind: 'failed', status: 304, reason: 'answered 304: redirects are not followed' }],
    [400, {}, 'no\u001b[31m\u202e such\r\n thing', { kind: 'failed', status: 400, reason: 'answered 400: no [31m such thing' }],
    [404, {}, '', { kind: 'failed', status: 404, reason: 'answered 404' }],
    [410, {}, 'over', { kind: 'gone', reason: 'answered 410: over' }],
    [429, { 'retry-after': '7' }, '', { kind: 'failed', status: 429, reason: 'answered 429', retryAfterMs: 7_000 }],
    [429, {}, '{"retry_after":7}', { kind: 'failed', status: 429, reason: 'answered 429: {"retry_after":7}' }],
    [500, {}, 'x'.repeat(100_000), { kind: 'failed', status: 500, reason: expect.stringMatching(/^answered 500: x{100,190}…$/) }],
    [503, { 'retry-after': soon }, '', { kind: 'failed', status: 503, reason: 'answered 503', retryAfterMs: expect.any(Number) }],
  ])('that is answered with %i %j %.10j is an outcome', async (status, headers, body, outcome) => {
    answer = (response) => response.writeHead(status, headers).end(body);
    expect(await send(hooks(), [secret])).toEqual(outcome);
  });

  it('that has no secret, or something else in its place, asks nobody', async () => {
    expect(await send(hooks(), [])).toEqual({
      kind: 'refused',
      reason: 'there is no signing secret for "hooks": set one with "tapeline webhook secret hooks"',
    });
    expect(await send(hooks(), ['hunter2'])).toEqual({
      kind: 'refused',
      reason: expect.stringMatching(/^(?!.*hunter2).*must be "whsec_"/),
    });
    expect(received).toEqual([]);
  });

  it('goes to this machine only where that is said', async () => {
    expect(await send(hooks(), [secret], { isLocalhostAllowed: false })).toEqual({
      kind: 'refused',
      reason: 'it must be https, received "http"',
    });
    expect(received).toEqual([]);
  });

  it('reaches what its own endpoint allows, and no other endpoint does', async () => {
    const resolve = async () => ['127.0.0.1'];
    const at = (more: object) => webhook({ name: 'hooks', url: url.replace('http://localhost', 'https://127.inside.example'), ...more });
    expect(await send(at({}), [secret], { resolve })).toMatchObject({ reason: expect.stringContaining('127.0.0.1 is private') });
    expect(await send(at({ allowPrivate: ['127.inside.example'] }), [secret], { resolve })).toMatchObject({
      kind: 'failed',
      reason: expect.stringMatching(/SSL|wrong version|packet/i),
    });
  });

  it('whose list of allowed networks is none asks nobody', async () => {
    const endpoint = webhook({ name: 'hooks', url: `${url}/hooks`, allowPrivate: ['10.0.0.0/99'] });
    expect(await send(endpoint, [secret])).toEqual({ kind: 'refused', reason: expect.stringContaining('10.0.0.0/99') });
    expect(received).toEqual([]);
  });

  it('is called off by who asked for it', async () => {
    answer = () => undefined;
    await expect(send(hooks(), [secret], { signal: AbortSignal.timeout(50) })).rejects.toThrow(/timeout|aborted/);
  });

  it('waits for a store of secrets that may come back, and for no other', async () => {
    for (const [retryable, kind] of [
      [true, 'failed'],
      [false, 'refused'],
    ] as const) {
      const secrets: SecretStore = {
        read: () => Promise.reject(new SecretsUnavailable('away', { retryable })),
        write: async () => undefined,
      };
      expect(await send(hooks(), [], { secrets })).toEqual({ kind, reason: 'away' });
    }
  });
});

describe('a chat', () => {
  const sentence = '▲ BUY IBM at 181.88 (enter) · ema-cross, 70 %: fast average crossed above slow · 2013-10-07 13:31:00 UTC';

  it('on Slack gets plain text by its incoming webhook', async () => {
    expect(await send(slack({ name: 'chat' }), [`${url}/services/T0/B0/x`])).toEqual({ kind: 'delivered', status: 204 });
    expect(received[0]?.path).toBe('/services/T0/B0/x');
    expect(JSON.parse(received[0]?.body as string)).toEqual({ text: sentence, mrkdwn: false, unfurl_links: false, unfurl_media: false });
  });

  it('on Discord gets text that notifies nobody by its webhook', async () => {
    await send(discord({ name: 'chat' }), [`${url}/api/webhooks/1/x`]);
    expect(received[0]?.path).toBe('/api/webhooks/1/x');
    expect(JSON.parse(received[0]?.body as string)).toMatchObject({
      allowed_mentions: { parse: [] },
      content: expect.stringContaining('BUY IBM'),
    });
  });

  it('on Telegram gets plain text from its bot', async () => {
    await send(telegram({ name: 'chat', chatId: '-100123' }), ['123:abc-DEF_4']);
    expect(received[0]?.path).toBe('/bot123:abc-DEF_4/sendMessage');
    expect(JSON.parse(received[0]?.body as string)).toEqual({
      chat_id: '-100123',
      text: sentence,
      link_preview_options: { is_disabled: true },
    });
  });

  it.each<[string, Record<string, string>, string, number]>([
    ['Slack', { 'retry-after': '30' }, 'rate_limited', 30_000],
    ['Discord', { 'retry-after': '1' }, '{"message":"You are being rate limited.","retry_after":1.5,"global":false}', 1_500],
    ['Telegram', {}, '{"ok":false,"error_code":429,"parameters":{"retry_after":11}}', 11_000],
  ])('says how long to wait, as %s does', async (_, headers, body, retryAfterMs) => {
    answer = (response) => response.writeHead(429, headers).end(body);
    expect(await send(slack({ name: 'chat' }), [url])).toMatchObject({ kind: 'failed', status: 429, retryAfterMs });
  });

  it.each(['https://10.0.0.1/', 'no address', 'https://user:hunter2@example.com/'])('is not looked for at %s', async (address) => {
    expect(await send(discord({ name: 'chat' }), [address])).toEqual({ kind: 'refused', reason: expect.not.stringContaining('hunter2') });
  });

  it('has no bot whose token would lead elsewhere', async () => {
    for (const token of ['123:a/../../other', '123:a?x=', 'abc', '123:a b', '../x'])
      expect(await send(telegram({ name: 'chat', chatId: '1' }), [token])).toMatchObject({ kind: 'refused' });
    expect(received).toEqual([]);
  });

  const nasty = fc.string({ unit: 'binary', maxLength: 3_000 });
  const signals = fc
    .array(fc.tuple(nasty, nasty, fc.array(nasty, { minLength: 1, maxLength: 3 })), { minLength: 1, maxLength: 40 })
    .map((all) => all.map(([symbol, strategy, reasons], i) => signalOf('A', i, { symbol, strategy, reasons })));

  it('is never told more than its service takes, and of every signal at least that it is there', () => {
    fc.assert(
      fc.property(signals, (all) => {
        const texts: [string, number][] = [
          [JSON.parse(slackPost(all.map(chatLineOf), '').body).text, 4_000],
          [JSON.parse(discordPost(all.map(chatLineOf), '').body).content, 2_000],
          [JSON.parse(telegramPost(all.map(chatLineOf), { token: '1:a', chatId: '1', apiUrl: '' }).body).text, 4_096],
        ];
        for (const [text, charactersMax] of texts) {
          expect(text.length).toBeLessThanOrEqual(charactersMax);
          expect(text.isWellFormed()).toBe(true);
          const lines = text.split('\n');
          const more = /^… and (\d+) more$/.exec(lines.at(-1) as string)?.[1];
          expect(more === undefined ? lines.length : lines.length - 1 + Number(more)).toBe(all.length);
          expect(lines.length).toBeGreaterThan(more === undefined ? 0 : 1);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('shows what a strategy says as it says it, and is moved to nothing by it', () => {
    const reasons = ['<!channel> <@U1> <https://evil.example|here> & *bold* @everyone [x](https://evil.example) `code`'];
    const all = [signalOf('A', 0, { reasons })];
    const slackText = JSON.parse(slackPost(all.map(chatLineOf), '').body).text as string;
    expect(slackText).toContain('&lt;!channel&gt; &lt;@U1&gt; &lt;https://evil.example|here&gt; &amp; *bold*');
    expect(slackText).not.toMatch(/[<>]/);
    const discordText = JSON.parse(discordPost(all.map(chatLineOf), '').body).content as string;
    expect(discordText.replaceAll(/\\(.)/g, '$1')).toBe(chatText(all.map(chatLineOf), { charactersMax: 2_000 }));
    expect(discordText.replaceAll(/\\./g, '')).not.toMatch(/[*_~`|<>@[\]()#]/);
  });
});

describe.skipIf(process.platform === 'win32')('a command', () => {
  const node = (script: string) => command({ name: 'program', command: [process.execPath, '-e', script] });

  it('reads the events as NDJSON, with the delivery’s id beside them, and no shell reads its arguments', async () => {
    const path = join(folder, 'read.json');
    const script = `require('fs').writeFileSync(process.argv[1], JSON.stringify([require('fs').readFileSync(0, 'utf8'), process.env.TAPELINE_DELIVERY_ID, process.argv.slice(2)]))`;
    const signals = [signalOf('A', 0), signalOf('“⇡”', 1)];
    const endpoint = command({ name: 'program', command: [process.execPath, '-e', script, path, '$HOME; echo `id`', '*'] });
    expect(await send(endpoint, [], { attempt: { signals, deliveryId: 'the-id' } })).toEqual({ kind: 'delivered' });
    const [input, id, args] = JSON.parse(readFileSync(path, 'utf8')) as [string, string, string[]];
    expect(
      input
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(signals.map((signal) => signalEventOf(signal, { source: '/tapeline' })));
    expect([id, args]).toEqual(['the-id', ['$HOME; echo `id`', '*']]);
  });

  it.each<[string, string, object]>([
    ['ends well without reading', 'process.stdin.destroy()', { kind: 'delivered' }],
    ['says much', 'console.log("x".repeat(1e6)); console.error("y".repeat(1e6))', { kind: 'delivered' }],
    [
      'ends with another code',
      'console.error("no\\u001b[31m disk"); process.exitCode = 3',
      { kind: 'failed', reason: 'the command ended with 3: no [31m disk' },
    ],
    ['is killed', 'process.kill(process.pid, "SIGKILL")', { kind: 'failed', reason: expect.stringContaining('SIGKILL') }],
  ])('that %s is an outcome', async (_, script, outcome) => {
    const signals = Array.from({ length: 2_000 }, (_, i) => signalOf('A', i));
    expect(await send(node(script), [], { attempt: { signals } })).toEqual(outcome);
  });

  it('that is not there is a failure, for it may come', async () => {
    const outcome = await send(command({ name: 'program', command: [join(folder, 'nothing')] }), []);
    expect(outcome).toEqual({ kind: 'failed', reason: expect.stringContaining('ENOENT') });
  });

  it('that takes too long is ended with all that it has started, also when it does not want to', async () => {
    const path = join(folder, 'beats');
    const beat = `setInterval(() => require('fs').appendFileSync(${JSON.stringify(path)}, '.'), 20)`;
    const script = `process.on('SIGTERM', () => {}); require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(`process.on('SIGTERM', () => {}); ${beat}`)}], { stdio: 'inherit' }); ${beat}`;
    expect(await send(node(script), [], { timeoutMs: 1_500 })).toEqual({
      kind: 'failed',
      reason: 'the command had not ended after 1500 ms',
    });
    const beats = readFileSync(path, 'utf8').length;
    await sleep(150);
    expect(beats).toBeGreaterThan(0);
    expect(readFileSync(path, 'utf8')).toHaveLength(beats);
  });

  it('is ended when its delivery is called off', async () => {
    await expect(send(node('setInterval(() => {}, 1000)'), [], { signal: AbortSignal.timeout(100) })).rejects.toThrow(/timeout|aborted/);
  });
});

describe('a ping', () => {
  const ping = (endpoint: Endpoint, secrets: readonly string[]) => {
    const sender = makeSender({ secrets: { read: async () => secrets, write: async () => undefined }, isLocalhostAllowed: true });
    return sender.ping(endpoint, Date.now(), never).finally(() => sender.close());
  };

  it('reaches a webhook, signed, as an event that nobody takes for a signal', async () => {
    const secret = newSigningSecret();
    expect(await ping(webhook({ name: 'hooks', url }), [secret])).toEqual({ kind: 'delivered', status: 204 });
    const [{ body, headers }] = received as [Received];
    expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toMatchObject({ type: 'tapeline.ping.v1', data: {} });
  });

  it('reaches a chat and a command too', async () => {
    expect(await ping(slack({ name: 'chat' }), [url])).toMatchObject({ kind: 'delivered' });
    expect(JSON.parse(received[0]?.body as string).text).toContain('This is no signal');
    expect(await ping(command({ name: 'program', command: [process.execPath, '-e', ''] }), [])).toEqual({ kind: 'delivered' });
  });
});

describe('no outcome tells a secret', () => {
  const token = 'hunter2-hunter2-hunter2';
  const endpoints: [Endpoint, string][] = [
    [slack({ name: 'chat' }), `/services/${token}`],
    [discord({ name: 'chat' }), `/api/webhooks/${token}`],
    [telegram({ name: 'chat', chatId: '1' }), `1:${token}`],
    [webhook({ name: 'hooks', url: 'http://localhost:1/' }), `whsec_${Buffer.from(token.repeat(2)).toString('base64')}`],
  ];
  it.each(endpoints)('$kind', async (endpoint, secret) => {
    const full = secret.startsWith('/') ? `${url}${secret}` : secret;
    const at = endpoint.kind === 'webhook' ? { ...endpoint, url: `${url}/` } : endpoint;
    const reasons: Outcome[] = [];
    for (const status of [302, 400, 410, 500]) {
      for (const before of [0, 100, 120, 140, 150, 160, 170, 4_050]) {
        answer = (response) => response.writeHead(status).end(`${'x'.repeat(before)} cannot find ${full} nor ${secret}`);
        reasons.push(await send(at, [full]));
      }
    }
    answer = (response) => response.destroy();
    reasons.push(await send(at, [full]), await send(at, [`${full}\r\n`]), await send(at, [` ${full}x y`]));
    for (const outcome of reasons) {
      expect(outcome.kind).not.toBe('delivered');
      expect(JSON.stringify(outcome)).not.toMatch(/hunter2|aHVudGVy/);
    }
  });
});
