import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cache, makeOnce } from '../aws/make-once.ts';
import type { Say } from './running.ts';

const requirements = join(import.meta.dirname, 'host', 'requirements.txt');

/**
 * The Python that has LocalStack installed, in an environment of its own in the cache folder; the first time, pip fetches it.
 * @throws Error without a Python 3.13, and when pip fails
 */
export function pythonOf(say: Say): string {
  const digest = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 16);
  const home = join(cache, 'localstack', digest);
  if (!existsSync(home)) {
    const python = findPython();
    say('installing LocalStack for Python, once: about half a minute and 400 MB');
    makeOnce(home, (folder) => install(python, folder));
  }
  return join(home, 'bin', 'python');
}

/** The first file of this name on the path that may be run. */
export function onPath(command: string): string | undefined {
  const files = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, command));
  return files.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** LocalStack 4.14 does not parse on older ones, and its packages are not built for newer. */
function findPython(): string {
  // pyenv's commands do nothing unless a version is chosen.
  const env = { PYENV_VERSION: '3.13', ...process.env };
  const candidates = [process.env['PYTHON'] ?? 'python3.13', 'python3.13', 'python3'];
  for (const candidate of candidates) {
    const { stdout, status } = spawnSync(candidate, ['-c', 'import sys; print(sys.version_info[:2] == (3, 13), sys.executable)'], {
      encoding: 'utf8',
      env,
    });
    const [, executable] = /^True (.+)$/m.exec(stdout ?? '') ?? [];
    if (status === 0 && executable !== undefined) return executable;
  }
  throw new Error(
    `LocalStack without Docker needs Python 3.13, received none in ${candidates.join(', ')}: install it, or name it in PYTHON, start Docker, or set AWS_ENDPOINT_URL`,
  );
}

/** The list is whole, so that pip has nothing to resolve. */
function install(python: string, folder: string): void {
  run(python, ['-m', 'venv', folder]);
  const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--no-compile'];
  run(join(folder, 'bin', 'python'), ['-m', 'pip', 'install', ...options, '--requirement', requirements]);
}

function run(command: string, args: readonly string[]): void {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`"${command} ${args.join(' ')}" failed: ${error?.message ?? `${stdout}${stderr}`}`);
}
