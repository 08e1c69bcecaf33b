import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../core/config.ts';
import { tapePath } from './state-folder.ts';

/** The tape that `run` keeps in the state folder itself. */
export const ownTape = 'its own tape';

/**
 * Holds a state folder to the tape that made its state: positions on one tape mean nothing on another, and records would be taken for known.
 * @throws ConfigError
 */
export function claimState(stateFolder: string, tape: string): void {
  const path = join(stateFolder, 'stream');
  const owner = existsSync(path) ? readFileSync(path, 'utf8').trim() : existsSync(tapePath(stateFolder)) ? ownTape : undefined;
  if (owner !== undefined && owner !== tape)
    throw new ConfigError(`the state in "${stateFolder}" was made from ${owner}, and not from ${tape}; give another --state`);
  if (owner === undefined && tape !== ownTape) writeFileSync(path, `${tape}\n`);
}
