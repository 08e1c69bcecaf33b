import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SecretsFile } from '../../adapters/delivery/secrets-file.ts';
import { SqliteDeliveries } from '../../adapters/delivery/sqlite.ts';
import { SqliteCheckpoints } from '../../adapters/stores/sqlite.ts';
import { ConfigError } from '../../core/config.ts';
import { disableEndpoint, listDeliveries, resumeEndpoint, retryDeliveries } from '../../local/deliveries.ts';
import { checkpointsPath, deliveriesPath, secretsPath } from '../../local/state-folder.ts';
import type { Session } from '../../local/verbs/session.ts';
import { signalOf } from '../adapters/delivery/signals.ts';
import { root } from '../house/project.ts';
import { start, tapeline } from './tapeline.ts';

let folder = '';
let config = '';
let server: Server;
let status = 204;
let answer = (end: () => void) => end();
let arrived: string[] = [];
let states = 0;
let state = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tapeline-deliveries-'));
  server = createServer((request, response) => {
    arrived.push(String(request.headers['webhook-id']));
    request.resume().on('end', () => answer(() => response.writeHead(status).end()));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  config = join(folder, 'tapeline.config.ts');
  writeFileSync(
    config,
    `import { defineTapeline, webhook } from ${JSON.stringify(join(root, 'core/config.ts'))};
    export default defineTapeline({ deliver: [webhook({ name: 'hooks', url: 'http://127.0.0.1:${(server.address() as AddressInfo).port}/' })] });`,
  );
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

beforeEach(async () => {
  [status, arrived, answer] = [204, [], (end) => end()];
  state = join(folder, `state-${states++}`);
  mkdirSync(state);
  await new SecretsFile(secretsPath(state)).write('hooks', [`whsec_${'A'.repeat(32)}`]);
});

describe('tapeline deliveries', () => {
  it('lists each endpoint with its state, what waits and what was given up, and cleans what a receiver said of control characters', async () => {
    await withStore(async (store) => {
      await fill(store, { dead: 1, waiting: 2, reason: 'answered 400: \u001b[2J' });
      await store.changeEndpoint('hooks', () => ({ kind: 'failing', failures: 7, sinceMs: 0, notBeforeMs: 5, reason: 'answered 503' }));
    });
    const { stdout } = await run((session) => listDeliveries({ ...options(), limit: '10' }, session));
    expect(stdout).toContain('failing 7 times since 1970-01-01 00:00:00: answered 503');
    expect(stdout).toMatch(/waits for .*\n.*\nhooks +IBM +2 +0 /);
    expect(stdout).toMatch(/dead letter of .*\n.*\nhooks +1_ema-cross_IBM_1m_1381152600000 +10 .*answered 400: \\u\{1b\}\[2J/);
    const { stdout: json } = await run((session) => listDeliveries({ ...options(), limit: '1', json: true }, session));
    expect(JSON.parse(json)).toMatchObject({
      endpoints: [
        {
          endpoint: 'hooks',
          kind: 'webhook',
          state: { kind: 'failing', failures: 7 },
          silentUntilMs: null,
          ...{ pending: 2, dead: 1, delivered: 0, dropped: 0 },
          waiting: [{ lane: '=IBM', signals: 2, attempts: 0 }],
          deadLetters: [{ deliveryId: signalOf('IBM', 0).signalId, attempts: 10 }],
        },
      ],
    });
  });

  it('sends dead letters again, in their places before what came later', async () => {
    await withStore((store) => fill(store, { dead: 2, waiting: 1 }));
    const { exitCode, stdout } = await run((session) => retryDeliveries(undefined, { ...options(), json: true }, session));
    expect(arrived).toEqual([0, 1, 2].map((number) => signalOf('IBM', number).signalId));
    expect(JSON.parse(stdout)).toEqual({
      requeued: 2,
      sentBy: 'this command',
      endpoints: [{ endpoint: 'hooks', pending: 0, dead: 0, delivered: 3 }],
    });
    expect(exitCode).toBe(0);
  });

  it('disables an endpoint, and resumes it with all that waits', async () => {
    await withStore((store) => fill(store, { dead: 0, waiting: 3 }));
    await run((session) => disableEndpoint('hooks', options(), session));
    await run((session) => retryDeliveries('hooks', options(), session));
    expect(arrived).toEqual([]);
    const { exitCode } = await run((session) => resumeEndpoint('hooks', options(), session));
    expect([exitCode, arrived.length]).toEqual([0, 3]);
  });

  it('fails when what it sends does not arrive, and says why', async () => {
    status = 410;
    await withStore((store) => fill(store, { dead: 1, waiting: 0 }));
    const { exitCode, stderr } = await run((session) => retryDeliveries('hooks', options(), session));
    expect(exitCode).toBe(1);
    expect(stderr).toContain('deliveries: "hooks": 1 signals wait, 0 are dead letters (answered 410)');
  });

  it('leaves the sending to a run that holds the state folder', async () => {
    await withStore((store) => fill(store, { dead: 1, waiting: 0 }));
    const held = new SqliteCheckpoints(checkpointsPath(state));
    const { exitCode, stderr } = await run((session) => retryDeliveries('hooks', options(), session));
    held.close();
    expect([exitCode, arrived]).toEqual([0, []]);
    expect(stderr).toContain('deliveries: the run sends what waits');
  });

  it.each<[string, (session: Session) => Promise<number>, string]>([
    [
      'an endpoint that is not there',
      (session) => resumeEndpoint('hoks', options(), session),
      'there is no endpoint "hoks"; did you mean "hooks"?',
    ],
    [
      'one that the config has no more',
      (session) => resumeEndpoint('old', options(), session),
      'the config has no endpoint "old" any more',
    ],
    [
      'a folder without deliveries',
      (session) => retryDeliveries(undefined, { ...options(), state: folder }, session),
      'there are no deliveries in',
    ],
    ...['-1', '0', '1.5', '100001'].map((limit): [string, (session: Session) => Promise<number>, string] => [
      `a limit of ${limit}`,
      (session) => listDeliveries({ ...options(), limit }, session),
      `--limit must be a whole number from 1 to 100000, received "${limit}"`,
    ]),
  ])('refuses %s', async (_, act, message) => {
    await withStore(async (store) => {
      await store.drop('old', [signalOf('IBM', 0)], Date.now());
    });
    const refused = run(act);
    await expect(refused).rejects.toThrow(ConfigError);
    await expect(refused).rejects.toThrow(message);
  });
});

describe('a run whose deliveries cannot be kept', () => {
  it('ends at once and says why, also when no signal comes any more', async () => {
    const module = (path: string) => JSON.stringify(join(root, path));
    const ofRun = join(folder, 'of-run.config.ts');
    writeFileSync(
      ofRun,
      `import configured from ${JSON.stringify(config)};
      import emaCross from ${module('strategies/ema-cross.ts')};
      export default { ...configured, interval: '5s', strategies: [emaCross] };`,
    );
    const { stdout: trades } = await tapeline('simulate --symbols 5 --rate 50 --seconds 600 --seed 5'.split(' '), { cwd: folder });
    const { child, ended } = start(['run', '--input', '-', '--state', state, '--config', ofRun], { cwd: folder });
    const receiving = new Promise<() => void>((done) => {
      answer = (end) => done(end);
    });
    child.stdin?.write(trades);
    const end = await receiving;
    // By then all is read, and what it offers was offered.
    await sleep(3_000);
    const other = new DatabaseSync(deliveriesPath(state));
    other.exec('BEGIN IMMEDIATE');
    end();
    const { exitCode, stderr } = await ended;
    other.close();
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('the state folder cannot be used: database is locked')]);
  });
});

const options = () => ({ state, config });

async function withStore(use: (store: SqliteDeliveries) => Promise<void>): Promise<void> {
  const store = new SqliteDeliveries(deliveriesPath(state));
  await use(store);
  store.close();
}

/** Signals of one symbol: the first ones given up, the others waiting. */
async function fill(
  store: SqliteDeliveries,
  { dead, waiting, reason = 'answered 500' }: { dead: number; waiting: number; reason?: string },
) {
  const batch = { signalsMax: 1, waitMs: 0 };
  const nowMs = Date.now();
  const signals = Array.from({ length: dead + waiting }, (_, number) => signalOf('IBM', number));
  await store.enqueue([{ endpoint: 'hooks', lane: '=IBM', signals, batch }], nowMs);
  for (let i = 0; i < dead; i++) {
    const { claims } = await store.claim({ endpoint: 'hooks', batch, lanesMax: 1, nowMs, leaseMs: 1_000 });
    await store.settle(claims.map((claim) => ({ claim, nowMs, kind: 'dead', attempts: 10, reason })));
  }
}

async function run(act: (session: Session) => Promise<number>) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const session = { signal: new AbortController().signal, stdout, stderr, isReaderGone: () => false, finish: async () => undefined };
  const exitCode = await act(session);
  stdout.end();
  stderr.end();
  return { exitCode, stdout: await text(stdout), stderr: await text(stderr) };
}
