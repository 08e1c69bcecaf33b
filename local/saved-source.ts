import { SqliteTape } from '../adapters/tape/sqlite-tape.ts';
import type { FramerSnapshot } from '../core/framer.ts';
import { tapePath } from './state-folder.ts';

/** The name under which a tape keeps what its framer knows, beside its sources. */
export const framerSource = 'framer';

/** In how many buckets a state folder's tape was written; undefined for an empty one. */
export function bucketCountOf(stateFolder: string): number | undefined {
  const tape = new SqliteTape(tapePath(stateFolder), { readOnly: true });
  try {
    const saved = tape.sourceState(framerSource);
    return saved === undefined ? undefined : (JSON.parse(saved) as FramerSnapshot).sequences.length;
  } finally {
    tape.close();
  }
}

/** What the tape keeps of a source: where to read on, what was counted, whether it was over. */
export type SavedSource = { readonly source: string; readonly counts: Readonly<Record<string, number>>; readonly hasEnded: boolean };

export function savedSource(tape: SqliteTape, name: string): SavedSource | undefined {
  const saved = tape.sourceState(name);
  return saved === undefined ? undefined : (JSON.parse(saved) as SavedSource);
}

/** Over all sources that the tape was fed from. */
export function feedCountsOf(tape: SqliteTape): Record<string, number> {
  let sums: Record<string, number> = {};
  for (const text of tape.sourceStates()) sums = addedCounts(sums, (JSON.parse(text) as Partial<SavedSource>).counts ?? {});
  return sums;
}

export function addedCounts(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const sums = { ...a };
  for (const [name, count] of Object.entries(b)) sums[name] = (sums[name] ?? 0) + count;
  return sums;
}
