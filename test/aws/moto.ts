import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cache, makeOnce } from './make-once.ts';

const requirements = join(import.meta.dirname, 'moto', 'requirements.txt');
const startMaxMs = 60_000;

export type Moto = { readonly endpoint: string; readonly stop: () => void };

/** Starts moto, which speaks AWS's protocols, in memory and on this machine only; the first time, pip copies it into the cache folder. */
export async function startMoto(): Promise<Moto> {
  const home = join(cache, 'moto', createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 16));
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
    return { endpoint, stop };
  }
  throw new Error(`moto ended before it was ready: ${said}`);
}

/** The list is whole, so that pip has nothing to resolve. */
function install(folder: string): void {
  execFileSync('python3', ['-m', 'venv', folder], { stdio: 'pipe' });
  const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--requirement', requirements];
  execFileSync(join(folder, 'bin', 'python'), ['-m', 'pip', 'install', ...options], { stdio: 'pipe' });
}
