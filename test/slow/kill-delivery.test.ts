import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resume } from '../../adapters/delivery/repairs.ts';
import { SecretsFile } from '../../adapters/delivery/secrets-file.ts';
import { SqliteDeliveries } from '../../adapters/delivery/sqlite.ts';
import type { Signal } from '../../core/signal.ts';
import { runQuery } from '../../local/query.ts';
import { deliveriesPath, secretsPath } from '../../local/state-folder.ts';
import { root } from '../house/project.ts';
import { randomOf } from '../core/support/stream.ts';
import { start, summaryOf, tapeline } from '../local/tapeline.ts';

const killsOfEach = 25;
/** Requests until a kill, so few that enough is left for the next. */
const requestsMax = { single: 15, batches: 6 };
/** Side by side, each with both endpoints. */
const states = ['state-0', 'state-1'];
const names = ['single', 'batches'] as const;
type Name = (typeof names)[number];
const answerMs = 10;
const random = randomOf(7);

let folder = '';
/** Half of a start is compiling. */
const options = () => ({ cwd: folder, env: { NODE_COMPILE_CACHE: join(folder, 'compiled') } });
let server: Server;
/** By path: state and endpoint. */
const receivers = new Map<string, Receiver>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tapeline-kill-delivery-'));
  server = createServer(async (request, response) => {
    const body = (await json(request)) as { data: Signal } | readonly { data: Signal }[];
    const receiver = receivers.get(String(request.url)) as Receiver;
    const fault = receiver.begin();
    if (fault !== 'refused') {
      const signals = [body].flat().map(({ data }) => data);
      receiver.take(String(request.headers['webhook-id']), signals);
    }
    await sleep(answerMs);
    if (fault === 'answer lost') request.socket.destroy();
    else response.writeHead(fault === 'refused' ? 503 : 204).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  for (const state of states) await prepare(state, (server.address() as AddressInfo).port);
  await tapeline('simulate --symbols 120 --rate 100 --seconds 900 --seed 5 --output trades.ndjson'.split(' '), options());
  // What is killed leaves nothing compiled.
  await tapeline(['run', '--input', '-', '--state', 'compiling', '--config', configOf(states[0] as string)], { ...options(), input: '' });
});

afterAll(async () => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('kill -9 at random moments of delivery', () => {
  it(`loses nothing in ${states.length * killsOfEach} kills: each receiver gets every signal, in order of each symbol, and tells repeats by the id`, async () => {
    await Promise.all(states.map(killAndGoOn));
    const repeats = Array.from(receivers.values(), (receiver) => receiver.repeats);
    expect(Math.min(...repeats)).toBeGreaterThan(0);
  });
});

async function killAndGoOn(state: string): Promise<void> {
  const args = ['run', '--input', 'trades.ndjson', '--state', state, '--config', configOf(state), '--json'];
  let [kills, tries] = [0, 0];
  for (; kills < killsOfEach; tries++) {
    expect(tries, 'runs to kill').toBeLessThan(2 * killsOfEach);
    if (await isKilledWhileDelivering(state, names[kills % 2] as Name, args)) kills++;
  }
  const ofState = names.map((name) => receivers.get(`/${state}/${name}`) as Receiver);
  for (const receiver of ofState) receiver.isFaulty = false;
  await resumeAll(state);
  summaryOf(await tapeline(args, options()));
  const { rows } = await runQuery({ stateFolder: join(folder, state), sql: 'SELECT signalId FROM signals' });
  expect(rows.length).toBeGreaterThan(700);
  for (const { arrived } of ofState) {
    expect([...arrived.keys()].toSorted()).toEqual(rows.map(([signalId]) => signalId).toSorted());
    for (const ofSymbol of Map.groupBy(arrived.values(), ({ symbol }) => symbol).values()) {
      const ends = ofSymbol.map(({ windowEndMs }) => windowEndMs);
      expect(ends).toEqual(ends.toSorted((a, b) => a - b));
    }
  }
}

/** False when nothing was left to deliver at that moment, or the run had ended. */
async function isKilledWhileDelivering(state: string, name: Name, args: readonly string[]): Promise<boolean> {
  const receiver = receivers.get(`/${state}/${name}`) as Receiver;
  await resumeAll(state);
  const begun = receiver.begun(1 + Math.floor(random() * requestsMax[name])).then(() => sleep(random() * 2 * answerMs));
  const { child, ended } = start(args, options());
  await Promise.race([begun, ended]);
  const isAlive = child.kill('SIGKILL');
  await ended;
  const { pending } = await withDeliveries(state, (store) => store.countsOf(name));
  return isAlive && pending > 0;
}

/** What has failed waits for its next attempt, minutes and hours; a person need not. */
function resumeAll(state: string): Promise<void> {
  return withDeliveries(state, async (store) => {
    for (const name of names) await resume(store, name, Date.now());
  });
}

async function withDeliveries<T>(state: string, use: (store: SqliteDeliveries) => Promise<T>): Promise<T> {
  const store = new SqliteDeliveries(deliveriesPath(join(folder, state)));
  return use(store).finally(() => store.close());
}

function configOf(state: string): string {
  return join(state, 'tapeline.config.ts');
}

/** A state folder with secrets, and the config of its runs. */
async function prepare(state: string, port: number): Promise<void> {
  mkdirSync(join(folder, state));
  for (const name of names) {
    receivers.set(`/${state}/${name}`, new Receiver());
    await new SecretsFile(secretsPath(join(folder, state))).write(name, [`whsec_${Buffer.alloc(24, 7).toString('base64')}`]);
  }
  const module = (path: string) => JSON.stringify(join(root, path));
  writeFileSync(
    join(folder, configOf(state)),
    `import { defineTapeline, webhook } from ${module('core/config.ts')};
    import emaCross from ${module('strategies/ema-cross.ts')};
    import breakout from ${module('strategies/breakout.ts')};
    export default defineTapeline({
      interval: '5s',
      strategies: [emaCross, breakout],
      deliver: [
        webhook({ name: 'single', url: 'http://127.0.0.1:${port}/${state}/single' }),
        webhook({ name: 'batches', url: 'http://127.0.0.1:${port}/${state}/batches', batch: { signalsMax: 3, waitMs: 50 } }),
      ],
    });`,
  );
}

/** What one endpoint has had from all processes of one state. */
class Receiver {
  /** In the order of their first arrival. */
  readonly arrived = new Map<string, Signal>();
  repeats = 0;
  isFaulty = true;
  readonly #idsOf = new Map<string, string>();
  readonly #deliveryOf = new Map<string, string>();
  #requests = 0;
  #toBegin = { requests: Number.POSITIVE_INFINITY, tell: () => {} };

  /** When so many more requests have come, or one that fails: the next may come minutes later. */
  begun(requests: number): Promise<void> {
    return new Promise((tell) => {
      this.#toBegin = { requests: this.#requests + requests, tell };
    });
  }

  /** @returns what goes wrong with the request that has come */
  begin(): 'refused' | 'answer lost' | undefined {
    this.#requests++;
    const fault = this.#requests % 13 === 0 ? 'refused' : this.#requests % 17 === 0 ? 'answer lost' : undefined;
    if (this.#requests >= this.#toBegin.requests || fault !== undefined) this.#toBegin.tell();
    return this.isFaulty ? fault : undefined;
  }

  take(deliveryId: string, signals: readonly Signal[]): void {
    const ids = signals.map(({ signalId }) => signalId).join();
    expect(this.#idsOf.get(deliveryId) ?? ids, 'a repeat of a delivery has the same signals').toBe(ids);
    this.#idsOf.set(deliveryId, ids);
    for (const signal of signals) {
      expect(this.#deliveryOf.get(signal.signalId) ?? deliveryId, 'a repeat of a signal comes under the same id').toBe(deliveryId);
      this.#deliveryOf.set(signal.signalId, deliveryId);
      if (this.arrived.has(signal.signalId)) this.repeats++;
      else this.arrived.set(signal.signalId, signal);
    }
  }
}
