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
      const measures: Measure[] = [];
      for (const millions of [1, 10]) {
        progress(`writing ${millions} M trades`);
        const path = join(folder, `${millions}.ndjson`);
        await writeLines(path, makeMarket({ tradeCount: millions * 1_000_000 }));
        progress(`replaying ${millions} M trades`);
        measures.push({ what: `replay of ${millions} M trades, resident at most`, ours: await replayPeakMb(path), unit: 'MB' });
        await rm(path);
      }
      const [one, ten] = measures.map(({ ours }) => ours);
      return [
        ...measures,
        {
          what: 'resident memory, 10 M trades / 1 M',
          ours: ten as number,
          theirs: one as number,
          unit: 'MB',
          ratio: (ten as number) / (one as number),
        },
      ];
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

function replayPeakMb(path: string): Promise<number> {
  const file = (name: string) => join(import.meta.dirname, name);
  const args = ['--disable-warning=ExperimentalWarning', '--import', file('peak-memory.ts'), file('../local/cli.ts'), 'replay', path];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdio[3]?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve(Number(text)) : reject(new Error(`replay ended with code ${code}`))));
  });
}
