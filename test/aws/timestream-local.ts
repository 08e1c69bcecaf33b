import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type _Record, TimestreamWriteClient } from '@aws-sdk/client-timestream-write';
import { cache, makeOnce } from './make-once.ts';
import { account } from './table.ts';

const requirements = join(import.meta.dirname, 'timestream-local', 'requirements.txt');
const startMaxMs = 60_000;

export type TimestreamLocal = {
  readonly endpoint: string;
  readonly client: TimestreamWriteClient;
  /** What a table was sent, in order: moto keeps every record as it came, without what its call said once for all. */
  readonly recordsOf: (table: string) => Promise<_Record[]>;
  readonly stop: () => void;
};

/**
 * Starts moto, which speaks Timestream's write protocol, in memory and on this machine only; the first time, pip copies it into the cache
 * folder. It takes any number of records and any version: it proves the wiring, not the rules.
 */
export async function startTimestreamLocal(): Promise<TimestreamLocal> {
  const home = join(cache, 'timestream-local', createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 16));
  makeOnce(home, install);
  const child = spawn(join(home, 'bin', 'python'), ['-m', 'moto.server', '-H', '127.0.0.1', '-p', '0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = () => void child.kill('SIGKILL');
  const timer = setTimeout(stop, startMaxMs);
  let said = '';
  for await (const line of createInterface(child.stderr)) {
    said += `${line}\n`;
    const endpoint = / Running on (http:\S+)/.exec(line)?.[1];
    if (endpoint === undefined) continue;
    clearTimeout(timer);
    child.stdout.resume();
    child.stderr.resume();
    const client = new TimestreamWriteClient({ ...account, endpoint });
    return { endpoint, client, recordsOf: (table) => recordsOf(endpoint, table), stop };
  }
  throw new Error(`moto ended before it was ready: ${said}`);
}

async function recordsOf(endpoint: string, name: string): Promise<_Record[]> {
  const kept = (await (await fetch(`${endpoint}/moto-api/data.json`)).json()) as {
    timestreamwrite: { TimestreamTable: { name: string; records: _Record[] }[] };
  };
  return kept.timestreamwrite.TimestreamTable.find((table) => table.name === name)?.records ?? [];
}

/** The list is whole, so that pip has nothing to resolve. */
function install(folder: string): void {
  execFileSync('python3', ['-m', 'venv', folder], { stdio: 'pipe' });
  const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--requirement', requirements];
  execFileSync(join(folder, 'bin', 'python'), ['-m', 'pip', 'install', ...options], { stdio: 'pipe' });
}
