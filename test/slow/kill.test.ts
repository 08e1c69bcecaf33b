import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SqliteTape } from '../../adapters/tape/sqlite-tape.ts';
import { runQuery } from '../../local/query.ts';
import { tapePath } from '../../local/state-folder.ts';
import type { Summary } from '../../local/summary.ts';
import { randomOf } from '../core/support/stream.ts';
import { factsOf, launcherPath, summaryOf, tapeline } from '../local/tapeline.ts';
import { Killer } from './killing.ts';

const simulated =
  'simulate --symbols 300 --rate 800 --seconds 600 --seed 11 --out-of-order-ms 1500 --late-share 0.004 --duplicates 0.01 --bad 0.01';
const pipeline = ['--interval', '5s', '--interval', '1m', '--allowed-lateness', '240000', '--json'];
const killsWanted = 25;
const killsOfOneStateMax = 6;

/** How a user starts it, and what dies: Node 24 itself, or the launcher, which leaves an orphan that must end by itself. */
const starts = [
  { name: 'the process', file: 'trades.ndjson', command: undefined },
  { name: 'the process', file: 'trades.ndjson.gz', command: undefined },
  { name: 'the launcher', file: 'trades.ndjson', command: ['node', launcherPath] },
  { name: 'npx', file: 'trades.ndjson.gz', command: ['npx', '--no-install', 'tapeline'] },
] as const;

let folder = '';
let replayed: Summary;
const kills = { beforeFirstRead: 0, whileReading: 0, afterReading: 0 };
const total = () => kills.beforeFirstRead + kills.whileReading + kills.afterReading;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tapeline-kill-'));
  const file = join(folder, 'trades.ndjson');
  await tapeline([...simulated.split(' '), '--output', file], { cwd: folder });
  writeFileSync(`${file}.gz`, gzipSync(readFileSync(file)));
  replayed = summaryOf(await tapeline(['replay', 'trades.ndjson', ...pipeline], { cwd: folder }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('kill -9 at random moments of a run', () => {
  it('has input that tests something', () => {
    expect(replayed.trades).toBeGreaterThan(200_000);
    for (const count of [replayed.revisions, replayed.late, replayed.duplicates, replayed.quarantined.total, replayed.signals.buy])
      expect(count).toBeGreaterThan(100);
  });

  it.each(starts)('of $name with $file: the next runs end with what one run and a replay give', async ({ file, command }) => {
    const killer = new Killer(randomOf(starts.findIndex((other) => other.file === file && other.command === command) + 1));
    const options = { cwd: resolve(import.meta.dirname, '..', '..'), ...(command && { command: [...command] }) };
    const args = (state: string) => ['run', '--input', join(folder, file), '--state', join(folder, state), ...pipeline];

    expect(factsOf(summaryOf(await killer.measure(args(`whole-${file}-${command?.[0]}`), options)))).toEqual(factsOf(replayed));
    const wholeTables = await tablesOf(join(folder, `whole-${file}-${command?.[0]}`));

    const target = total() + Math.ceil(killsWanted / starts.length);
    for (let round = 0; total() < target; round++) {
      expect(round).toBeLessThan(60);
      const state = `state-${file}-${command?.[0]}-${round}`;
      mkdirSync(join(folder, state));
      for (let kill = 0; kill < killsOfOneStateMax; kill++) {
        if (await killer.kill(args(state), { ...options, isFresh: kill === 0 })) break;
        countKill(join(folder, state));
      }
      const summary = summaryOf(await tapeline(args(state), options));
      expect(factsOf(summary)).toEqual(factsOf(replayed));
      for (const [name, rows] of Object.entries(await tablesOf(join(folder, state))))
        expect(differenceOf(rows, wholeTables[name])).toEqual([]);
      rmSync(join(folder, state), { recursive: true });
    }
  });

  it(`landed at least ${killsWanted} times while work was left, and at all stages of it`, () => {
    expect(total()).toBeGreaterThanOrEqual(killsWanted);
    expect(kills.whileReading).toBeGreaterThanOrEqual(killsWanted / 3);
  });
});

function countKill(state: string): void {
  const sources = savedSources(state);
  if (sources.length === 0) kills.beforeFirstRead++;
  else if (sources.some(({ hasEnded }) => hasEnded)) kills.afterReading++;
  else kills.whileReading++;
}

function savedSources(state: string): { readonly hasEnded?: boolean }[] {
  if (!existsSync(tapePath(state))) return [];
  const tape = new SqliteTape(tapePath(state));
  try {
    return tape.sourceStates().map((text) => JSON.parse(text) as { hasEnded?: boolean });
  } finally {
    tape.close();
  }
}

/** Where a trade lies on the log follows from when its run wrote; all the rest must agree. */
async function tablesOf(stateFolder: string): Promise<Record<string, readonly unknown[]>> {
  const queries = {
    bars: 'SELECT * FROM bars ORDER BY symbol, windowStartMs, windowEndMs',
    signals: 'SELECT * FROM signals ORDER BY signalId',
    late: 'SELECT * EXCLUDE (position) FROM late ORDER BY ALL',
    quarantine: 'SELECT * FROM quarantine ORDER BY ALL',
  };
  const tables: Record<string, readonly unknown[]> = {};
  for (const [name, sql] of Object.entries(queries)) {
    tables[name] = (await runQuery({ stateFolder, sql })).rows;
    expect(tables[name].length).toBeGreaterThan(100);
  }
  return tables;
}

/** The first rows in which two tables differ. */
function differenceOf(rows: readonly unknown[], expected: readonly unknown[] = []): readonly unknown[] {
  const texts = (table: readonly unknown[]) => table.map((row) => JSON.stringify(row));
  const [actual, wanted] = [texts(rows), texts(expected)];
  const at = Array.from({ length: Math.max(actual.length, wanted.length) }, (_, i) => i).find((i) => actual[i] !== wanted[i]);
  return at === undefined ? [] : [{ at, actual: actual[at], wanted: wanted[at], rows: [actual.length, wanted.length] }];
}
