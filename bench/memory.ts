import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeMarket } from './market.ts';
import { writeLines } from './replay.ts';
import type { Measure, Suite } from './suite.ts';

/** The most that a replay has resident, of a file and of one ten times as long: `tapeline replay`, in a process of its own. */
export const memory: Suite = {
  name: 'memory',
  summary: 'resident memory of a replay of 1 and 10 million trades',
  run: async ({ progress }) => {
    const folder = await mkdtemp(join(tmpdir(), 'tapeline-bench-'));
    try {
      for (const millions of sizesM) {
        progress(`writing ${millions} M trades`);
        await writeLines(join(folder, `${millions}.ndjson`), makeMarket({ tradeCount: millions * 1_000_000 }));
      }
      const measures: Measure[] = [];
      for (const { what, options } of ways) {
        const peaksMb: number[] = [];
        for (const millions of sizesM) {
          progress(`replaying ${millions} M trades ${what}`);
          peaksMb.push(await replayPeakMb([join(folder, `${millions}.ndjson`), ...options]));
        }
        const [one, ten] = peaksMb as [number, number];
        measures.push({
          what: `replay ${what}, resident at most, 10 M trades / 1 M`,
          ours: ten,
          theirs: one,
          unit: 'MB',
          ratio: ten / one,
          goal: { atMost: 1.35, aim: 1.15 },
        });
      }
      return measures;
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

const sizesM = [1, 10];
/** With digests all bars are sorted at the end, and wait on the disk for it. */
const ways = [
  { what: 'to bars and signals', options: [] },
  { what: 'with digests', options: ['--json'] },
];

function replayPeakMb(args: readonly string[]): Promise<number> {
  const file = (name: string) => join(import.meta.dirname, name);
  const node = ['--disable-warning=ExperimentalWarning', '--import', file('peak-memory.ts'), file('../local/cli.ts')];
  const child = spawn(process.execPath, [...node, 'replay', ...args], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdio[3]?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve(Number(text)) : reject(new Error(`replay ended with code ${code}`))));
  });
}
