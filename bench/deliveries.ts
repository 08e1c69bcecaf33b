import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Dispatcher } from '../adapters/delivery/dispatcher.ts';
import { makeSender } from '../adapters/delivery/senders.ts';
import { SqliteDeliveries } from '../adapters/delivery/sqlite.ts';
import { webhook } from '../core/delivery.ts';
import type { Signal } from '../core/signal.ts';
import { signalIdOf } from '../core/signal-id.ts';
import type { Suite } from './suite.ts';

const endpointCount = 1_000;
/** Of each kind of bad ones. */
const badCount = endpointCount / 10;
/** Longer than the 15 s of an attempt that hangs, twice. */
const signalCount = 40;
const signalEveryMs = 1_000;

/**
 * Signals to 1,000 receivers over HTTP, signed, from a store on the disk; of the receivers 100 hang and 100 fail. The ratio is that of the
 * same run without these 200.
 */
export const deliveries: Suite = {
  name: 'deliveries',
  summary: 'webhooks to 1,000 endpoints of which 10 % hang and 10 % fail, against the same without the bad ones',
  run: async ({ progress }) => {
    progress(`${signalCount} signals to ${endpointCount - 2 * badCount} endpoints, all healthy`);
    const alone = await deliver({ bad: 0 });
    progress(`${signalCount} signals to ${endpointCount} endpoints, ${2 * badCount} of them bad`);
    const among = await deliver({ bad: badCount });
    const ratio = (percent: number) => quantile(among.latenciesMs, percent) / quantile(alone.latenciesMs, percent);
    const row = (what: string, percent: number) => ({
      what,
      ours: quantile(among.latenciesMs, percent),
      theirs: quantile(alone.latenciesMs, percent),
      unit: 'ms',
      ratio: ratio(percent),
    });
    return [
      row('offered to delivered at a healthy endpoint, median', 0.5),
      { ...row('the same, p99', 0.99), goal: { atMost: 2, aim: 1.5 } },
      row('the same, longest', 1),
      {
        what: 'resident memory at most',
        ours: among.peakMb,
        theirs: alone.peakMb,
        unit: 'MB',
        ratio: among.peakMb / alone.peakMb,
        goal: { atMost: 2, aim: 1.5 },
      },
      { what: 'deliveries that wait for the bad ones, on the disk', ours: among.pending, theirs: alone.pending, unit: '' },
    ];
  },
};

type Delivered = { readonly latenciesMs: number[]; readonly peakMb: number; readonly pending: number };

async function deliver({ bad }: { readonly bad: number }): Promise<Delivered> {
  const folder = await mkdtemp(join(tmpdir(), 'tapeline-bench-'));
  const receivers = fork(join(import.meta.dirname, 'receivers.ts'));
  const [port] = (await once(receivers, 'message')) as [number];
  const behaviours = [...Array(endpointCount - 2 * badCount).fill('ok'), ...Array(bad).fill('hang'), ...Array(bad).fill('fail')];
  const endpoints = behaviours.map((behaviour, i) =>
    webhook({ name: `${behaviour}-${i}`, url: `http://127.0.0.1:${port}/${behaviour}/${i}` }),
  );
  const store = new SqliteDeliveries(join(folder, 'deliveries.sqlite'));
  const sender = makeSender({
    secrets: { read: async () => [`whsec_${'A'.repeat(32)}`], write: async () => {} },
    isLocalhostAllowed: true,
  });
  const offeredAtMs = new Map<string, number>();
  const latenciesMs: number[] = [];
  const dispatcher = new Dispatcher({
    endpoints,
    store,
    sender,
    onEvent: (event) => {
      if (event.kind === 'delivery.delivered') latenciesMs.push(performance.now() - (offeredAtMs.get(event.deliveryId) ?? Number.NaN));
    },
  });
  let peakMb = 0;
  const watching = setInterval(() => {
    peakMb = Math.max(peakMb, process.memoryUsage.rss() / 1e6);
  }, 50);
  for (let number = 0; number < signalCount; number++) {
    const signal = signalOf(number);
    offeredAtMs.set(signal.signalId, performance.now());
    await dispatcher.offer([signal]);
    await sleep(signalEveryMs);
  }
  const healthy = (endpointCount - 2 * badCount) * signalCount;
  for (let waits = 0; latenciesMs.length < healthy && waits < 60; waits++) await sleep(500);
  if (latenciesMs.length !== healthy) throw new Error(`${healthy} deliveries must arrive, received "${latenciesMs.length}"`);
  const counts = await Promise.all(endpoints.map(({ name }) => store.countsOf(name)));
  clearInterval(watching);
  await dispatcher.stop({ graceMs: 0 });
  sender.close();
  store.close();
  receivers.kill();
  await rm(folder, { recursive: true });
  return { latenciesMs, peakMb, pending: counts.reduce((sum, { pending }) => sum + pending, 0) };
}

/** Of several symbols, as a market's signals are. */
function signalOf(number: number): Signal {
  const windowStartMs = 1_381_152_600_000 + number * 60_000;
  const symbol = `S${number % 7}`;
  const decision = { generation: '1', strategy: 'ema-cross', symbol, interval: '1m', windowStartMs };
  const window = { windowStartMs, windowEndMs: windowStartMs + 60_000 };
  return {
    signalId: signalIdOf(decision),
    symbol,
    strategy: 'ema-cross',
    side: 'buy',
    intent: 'enter',
    ...window,
    price: 100,
    confidence: 0.7,
    reasons: ['fast crossed above slow'],
  };
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
