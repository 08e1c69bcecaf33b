import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bar } from '../../core/bar.ts';
import type { Signal } from '../../core/signal.ts';
import type { Summary } from '../../local/summary.ts';
import { summaryOf, tapeline } from '../local/tapeline.ts';

export type Replayed = { readonly summary: Summary; readonly bars: Bar[]; readonly signals: Signal[] };

/** What `tapeline replay` gives of files, one after another. */
export async function replayed(files: readonly string[], { folder, feed }: { folder: string; feed: string }): Promise<Replayed> {
  const [bars, signals] = [`bars-${feed}.ndjson`, `signals-${feed}.ndjson`];
  const outputs = ['--json', '--bars', bars, '--signals', signals];
  const summary = summaryOf(await tapeline(['replay', ...files, '--feed', feed, ...outputs], { cwd: folder }));
  const read = <T>(file: string) => linesOf<T>(readFileSync(join(folder, file), 'utf8'));
  return { summary, bars: read(bars), signals: read(signals) };
}

/** NDJSON; the last line may be empty. */
export function linesOf<T>(text: string): T[] {
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as T]));
}

/** The lines of a seeded market with trades out of order, late, twice and bad. They need not be UTF-8: a character is a byte. */
export async function simulated(
  file: string,
  { start, seconds, folder }: { start: string; seconds: number; folder: string },
): Promise<string[]> {
  const faults = '--out-of-order-ms 1500 --late-share 0.01 --duplicates 0.01 --bad 0.002';
  const market = `simulate --symbols 40 --rate 5 --seed 11 --seconds ${seconds} --start ${start} ${faults}`;
  const { exitCode, stderr } = await tapeline([...market.split(' '), '--output', file], { cwd: folder });
  if (exitCode !== 0) throw new Error(`tapeline simulate ended with ${exitCode}: ${stderr}`);
  return readFileSync(join(folder, file), 'latin1').trimEnd().split('\n');
}
