import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SecretsFile } from '../../adapters/delivery/secrets-file.ts';
import { SqliteDeliveries } from '../../adapters/delivery/sqlite.ts';
import type { Signal } from '../../core/signal.ts';
import { runQuery } from '../../local/query.ts';
import { deliveriesPath, secretsPath } from '../../local/state-folder.ts';
import { root } from '../house/project.ts';
import { randomOf } from '../core/support/stream.ts';
import { start, summaryOf, tapeline } from '../local/tapeline.ts';

const killsWanted = 50;
const rounds = 5;
const answerMs = 10;

let folder = '';
let server: Server;
/** In the order of their first arrival. */
let arrived = new Map<string, Signal>();
let requests = 0;
let repeats = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tapeline-kill-delivery-'));
  server = createServer(async (request, response) => {
    const { data } = (await json(request)) as { data: Signal };
    requests++;
    // Some answers are refusals, and some get lost after the receiver has taken the signal.
    const isTaken = requests % 13 !== 0;
    if (isTaken) take(request, data);
    await sleep(answerMs);
    if (requests % 17 === 0) request.socket.destroy();
    else response.writeHead(isTaken ? 204 : 503).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const module = (path: string) => JSON.stringify(join(root, path));
  writeFileSync(
    join(folder, 'tapeline.config.ts'),
    `import { defineTapeline, webhook } from ${module('core/config.ts')};
    import emaCross from ${module('strategies/ema-cross.ts')};
    import breakout from ${module('strategies/breakout.ts')};
    export default defineTapeline({
      interval: '5s', strategies: [emaCross, breakout], deliver: [webhook({ name: 'hooks', url: 'http://127.0.0.1:${port}/' })],
    });`,
  );
  await tapeline('simulate --symbols 120 --rate 400 --seconds 900 --seed 5 --output trades.ndjson'.split(' '), { cwd: folder });
}, 120_000);

afterAll(async () => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('kill -9 at random moments of delivery', () => {
  it(`loses nothing in ${killsWanted} kills: the receiver gets every signal, in order of each symbol, and tells repeats by the id`, async () => {
    const random = randomOf(7);
    const moments = { beforeFirst: 0, between: 0, afterLast: 0 };
    const args = (state: string) => ['run', '--input', 'trades.ndjson', '--state', state, '--json'];
    for (let round = 0; round < rounds; round++) {
      const state = `state-${round}`;
      mkdirSync(join(folder, state));
      await new SecretsFile(secretsPath(join(folder, state))).write('hooks', [`whsec_${Buffer.alloc(24, 7).toString('base64')}`]);
      arrived = new Map();
      for (let kill = 0; kill < killsWanted / rounds; kill++) {
        const { child, ended } = start(args(state), { cwd: folder });
        const before = requests;
        // By time now and then, which is before the first delivery; else after some deliveries.
        const [afterMs, afterRequests] = kill % 5 === 0 ? [200 + random() * 800, Infinity] : [60_000, 1 + Math.floor(random() * 60)];
        const isOver = await Promise.race([ended.then(() => true), reached(afterMs, () => requests - before >= afterRequests)]);
        if (!isOver) process.kill(child.pid as number, 'SIGKILL');
        await ended;
        if (isOver) moments.afterLast++;
        else moments[requests === before ? 'beforeFirst' : 'between']++;
      }
      summaryOf(await tapeline(args(state), { cwd: folder }));
      // What was refused waits for its next attempt, minutes and hours; a person need not.
      const resume = ['deliveries', 'resume', 'hooks', '--state', state];
      for (let time = 0; time < 20 && (await pendingOf(state)) > 0; time++) await tapeline(resume, { cwd: folder });
      const { rows } = await runQuery({ stateFolder: join(folder, state), sql: 'SELECT signalId FROM signals' });
      expect(rows.length).toBeGreaterThan(700);
      expect([...arrived.keys()].toSorted()).toEqual(rows.map(([signalId]) => signalId).toSorted());
      for (const ofSymbol of Map.groupBy(arrived.values(), ({ symbol }) => symbol).values()) {
        const ends = ofSymbol.map(({ windowEndMs }) => windowEndMs);
        expect(ends).toEqual(ends.toSorted((a, b) => a - b));
      }
    }
    expect(moments.between).toBeGreaterThan(killsWanted / 2);
    expect(moments.beforeFirst).toBeGreaterThan(0);
    expect(repeats).toBeGreaterThan(0);
  });
});

function take(request: IncomingMessage, signal: Signal): void {
  const id = String(request.headers['webhook-id']);
  expect(id).toBe(signal.signalId);
  if (arrived.has(id)) repeats++;
  else arrived.set(id, signal);
}

async function pendingOf(state: string): Promise<number> {
  const store = new SqliteDeliveries(deliveriesPath(join(folder, state)));
  const { pending } = await store.countsOf('hooks');
  store.close();
  return pending;
}

/** False when it has come so far, or the time is over. */
async function reached(afterMs: number, isSo: () => boolean): Promise<false> {
  for (const endMs = performance.now() + afterMs; performance.now() < endMs && !isSo(); ) await sleep(2);
  return false;
}
