import { mkdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ConfigError } from '../core/config.ts';

/** The files of one pipeline's durable state. */
export const tapePath = (stateFolder: string) => join(stateFolder, 'tape.sqlite');
export const checkpointsPath = (stateFolder: string) => join(stateFolder, 'checkpoints.sqlite');
export const historyPath = (stateFolder: string) => join(stateFolder, 'history.duckdb');
export const secretsPath = (stateFolder: string) => join(stateFolder, 'secrets.json');
export const deliveriesPath = (stateFolder: string) => join(stateFolder, 'deliveries.sqlite');

/** Makes the folder and those above it where they are not there. @throws ConfigError where a file is in the way */
export function makeStateFolder(stateFolder: string): void {
  makeFolder(resolve(stateFolder), stateFolder);
}

function makeFolder(path: string, stateFolder: string): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isDirectory()) return;
  if (stats !== undefined)
    throw new ConfigError(`--state must be a folder, received "${stateFolder}", and "${path}" is a file; give another`);
  // Not `recursive`, which never ends where the system has no such folder and takes none, as in /proc.
  makeFolder(dirname(path), stateFolder);
  mkdirSync(path);
}
