import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SqliteTape } from '../../adapters/tape/sqlite-tape.ts';
import type { FeedSummary } from '../../local/feed.ts';
import type { Summary } from '../../local/summary.ts';
import { type KinesisLocal, makeStream, startKinesisLocal } from '../aws/kinesis-local.ts';
import { randomOf } from '../core/support/stream.ts';
import { type Ended, start, summaryOf, tapeline } from '../local/tapeline.ts';

const simulated =
  'simulate --symbols 300 --rate 250 --seconds 300 --seed 5 --out-of-order-ms 1500 --late-share 0.004 --duplicates 0.01 --bad 0.01';
const pipeline = ['--interval', '5s', '--allowed-lateness', '20000'];
const killsWanted = 10;

let folder = '';
let kinesis: KinesisLocal;
let replayed: Summary;
const killed = { atAll: 0, withFramesLeft: 0 };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tapeline-feed-kill-'));
  await tapeline([...simulated.split(' '), '--output', 'trades.ndjson'], { cwd: folder });
  replayed = summaryOf(await tapeline(['replay', 'trades.ndjson', ...pipeline, '--json'], { cwd: folder }));
  kinesis = await startKinesisLocal();
}, 60_000);
afterAll(() => {
  kinesis.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('kill -9 at random moments of a feed, and of the consumer of its stream', () => {
  it('ends with what a replay of the file gives', async () => {
    expect([replayed.late, replayed.duplicates, replayed.quarantined.total, replayed.signals.buy].every((count) => count > 20)).toBe(true);
    const random = randomOf(3);
    const options = { cwd: folder, env: kinesis.env };
    const feedTimes = await timesOf(['feed', '--input', 'trades.ndjson', '--stream', await newStream('whole'), '--json'], options);
    const runTimes = await timesOf(['run', '--tape', 'kinesis', '--stream', 'whole', ...pipeline, '--until-latest', '--json'], options);
    for (let round = 0; killed.atAll < killsWanted; round++) {
      expect(round).toBeLessThan(30);
      const stream = await newStream(`tape-${round}`);
      const feed = ['feed', '--input', 'trades.ndjson', '--stream', stream, '--state', `feed-${round}`, '--flush-every', '20', '--json'];
      const run = ['run', '--tape', 'kinesis', '--stream', stream, '--state', `run-${round}`, ...pipeline, '--until-latest', '--json'];
      for (let kill = 0; kill < 4; kill++) {
        if (await isFinishedBefore(momentOf(feedTimes, random()), feed, options)) break;
        killed.atAll++;
        if (framesLeft(join(folder, `feed-${round}`)) > 0) killed.withFramesLeft++;
        await isFinishedBefore(momentOf(runTimes, random()), run, options);
      }
      const fed = await tapeline(feed, options);
      expect(feedSummaryOf(fed).waiting).toEqual({ frames: 0, bytes: 0 });
      expect(feedSummaryOf(fed).quarantined).toEqual(replayed.quarantined);
      expect(factsOf(summaryOf(await tapeline(run, options)))).toEqual(factsOf(replayed));
    }
  });

  it('landed while frames were on their way', () => {
    expect(killed.withFramesLeft).toBeGreaterThanOrEqual(killsWanted / 5);
  });
});

async function newStream(name: string): Promise<string> {
  await makeStream(kinesis.client, name, 4);
  return name;
}

type Times = { readonly startMs: number; readonly workMs: number };

/** A start takes a while before the work. */
async function timesOf(args: readonly string[], options: Parameters<typeof start>[1]): Promise<Times> {
  const beganMs = performance.now();
  const { seconds } = JSON.parse((await tapeline(args, options)).stdout) as { seconds: number };
  return { startMs: performance.now() - beganMs - seconds * 1_000, workMs: seconds * 1_000 };
}

function momentOf({ startMs, workMs }: Times, share: number): number {
  return startMs + share * workMs;
}

/** Whether it ended by itself before it was killed after a while. */
async function isFinishedBefore(afterMs: number, args: readonly string[], options: Parameters<typeof start>[1]): Promise<boolean> {
  const { child, ended } = start(args, options);
  const isOver = await Promise.race([ended.then(() => true), sleep(afterMs, false)]);
  if (!isOver) process.kill(child.pid as number, 'SIGKILL');
  const { exitCode, signal, stderr } = await ended;
  if (exitCode !== 0 && signal !== 'SIGKILL') throw new Error(stderr);
  return isOver;
}

function framesLeft(state: string): number {
  const file = join(state, 'outgoing.sqlite');
  if (!existsSync(file)) return 0;
  const log = new SqliteTape(file);
  try {
    return log.read('outgoing', '', { recordsMax: 1e6, bytesMax: 1e9 }).length;
  } finally {
    log.close();
  }
}

function feedSummaryOf({ exitCode, stdout, stderr }: Ended): FeedSummary {
  if (exitCode !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as FeedSummary;
}

/** What does not depend on where the trades came from. */
function factsOf({ seconds: _, feed: __, quarantined: ___, ...facts }: Summary) {
  return facts;
}
