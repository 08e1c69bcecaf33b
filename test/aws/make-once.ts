import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** What tests have installed, for the next time. */
export const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'tapeline');

/**
 * Makes a folder under another name first, so that what has its final name is whole. Of several processes one makes it and the others wait:
 * a lock goes with its process.
 * @throws what `make` throws
 */
export function makeOnce(home: string, make: (folder: string) => void): void {
  if (existsSync(home)) return;
  mkdirSync(dirname(home), { recursive: true });
  const lock = new DatabaseSync(join(dirname(home), 'lock'), { timeout: 300_000 });
  const folder = mkdtempSync(`${home}.`);
  try {
    lock.exec('BEGIN EXCLUSIVE');
    if (existsSync(home)) return;
    make(folder);
    renameSync(folder, home);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    lock.close();
  }
}
