import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SqliteTape } from '../../adapters/tape/sqlite-tape.ts';
import type { FeedSummary } from '../../local/feed.ts';
import type { Summary } from '../../local/summary.ts';
import { type KinesisLocal, makeStream, startKinesisLocal } from '../aws/kinesis-local.ts';
import { randomOf } from '../core/support/stream.ts';
import { type Ended, foldFactsOf, summaryOf, tapeline } from '../local/tapeline.ts';
import { Killer } from './killing.ts';

const simulated =
  'simulate --symbols 300 --rate 250 --seconds 300 --seed 5 --out-of-order-ms 1500 --late-share 0.004 --duplicates 0.01 --bad 0.01';
const pipeline = ['--interval', '5s', '--allowed-lateness', '20000'];
const feedInto = ['feed', '--input', 'trades.ndjson', '--flush-every', '20', '--json', '--stream'];
const runOf = ['run', '--tape', 'kinesis', ...pipeline, '--until-latest', '--json', '--stream'];
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
});
afterAll(() => {
  kinesis.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('kill -9 at random moments of a feed, and of the consumer of its stream', () => {
  it('ends with what a replay of the file gives', async () => {
    expect([replayed.late, replayed.duplicates, replayed.quarantined.total, replayed.signals.buy].every((count) => count > 20)).toBe(true);
    const random = randomOf(3);
    const options = { cwd: folder, env: kinesis.env };
    const [feeds, runs] = [new Killer(random), new Killer(random)];
    await feeds.measure([...feedInto, await newStream('whole'), '--state', 'feed-whole'], options);
    await runs.measure([...runOf, 'whole', '--state', 'run-whole'], options);
    for (let round = 0; killed.atAll < killsWanted; round++) {
      expect(round).toBeLessThan(40);
      const stream = await newStream(`tape-${round}`);
      const feed = [...feedInto, stream, '--state', `feed-${round}`];
      const run = [...runOf, stream, '--state', `run-${round}`];
      for (let kill = 0; kill < 4; kill++) {
        if (await feeds.kill(feed, { ...options, isFresh: kill === 0 })) break;
        killed.atAll++;
        if (framesLeft(join(folder, `feed-${round}`)) > 0) killed.withFramesLeft++;
        await runs.kill(run, { ...options, isFresh: kill === 0 });
      }
      const fed = await tapeline(feed, options);
      expect(feedSummaryOf(fed).waiting).toEqual({ frames: 0, bytes: 0 });
      expect(feedSummaryOf(fed).quarantined).toEqual(replayed.quarantined);
      expect(foldFactsOf(summaryOf(await tapeline(run, options)))).toEqual(foldFactsOf(replayed));
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
