import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import Module from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled, node24Path, nodeMajorMin, root } from './setup.mjs';

const parentPollMs = 100;
const interruptForwardMs = 500;
const shells = new Set(['sh', 'dash', 'ash', 'bash', 'busybox']);

/** Sets up if need be, then runs a script of this repository on Node 24: in this process if it is one, else in a child that it stands for. */
export function runOnNode24(script, args) {
  try {
    const installedNow = ensureInstalled();
    const path = builtOr(script);
    if (!installedNow && Number.parseInt(process.versions.node, 10) >= nodeMajorMin) runHere(path, args);
    else runInChild(node24Path(), path, args);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

/** The source in a clone; in a package, where Node runs no TypeScript, what was built from it. */
function builtOr(script) {
  const source = join(root, script);
  return existsSync(source) ? source : join(root, 'dist', script.replace(/\.ts$/, '.js'));
}

function runHere(path, args) {
  whenNpmDies(() => process.kill(process.pid, 'SIGKILL'));
  hideExpectedWarnings();
  process.argv = [process.execPath, path, ...args];
  // Unlike `import()`, this makes the script the main module, as it is in a child.
  Module.runMain();
}

function runInChild(node, path, args) {
  let child;
  // Before there is a child, so that no signal finds us without a handler.
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  // A terminal sends Ctrl-C to the whole group, and a second one might cut the child's ending short. Only when nobody else has told the
  // child, as after `kill -INT`, is it still there a moment later.
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY) setTimeout(() => child.kill('SIGINT'), interruptForwardMs).unref();
  });
  const orphan = pathToFileURL(builtOr(join('local', 'orphan.ts'))).href;
  child = spawn(node, ['--disable-warning=ExperimentalWarning', '--import', orphan, path, ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    // Compiled code is kept, so that the next start takes half the time.
    env: { NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'node'), ...process.env },
  });
  whenNpmDies(() => {
    child.kill('SIGKILL');
    process.exit(137);
  });
  child.on('error', (error) => {
    process.stderr.write(`tapeline could not start ${node} (${error.code}): install Node ${nodeMajorMin} and try again\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

/** npm does not end its children when it is killed, and a pipeline that nobody can see would go on. */
function whenNpmDies(end) {
  if (process.env.npm_command === undefined && process.env.npm_execpath === undefined) return;
  const parents = startedBy();
  setInterval(() => startedBy() !== parents && end(), parentPollMs).unref();
}

/** Our parent and, where that is the shell that npm put between, which would outlive it, the shell's parent too. */
function startedBy() {
  try {
    const [, name, parent] = /^\d+ \((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${process.ppid}/stat`, 'latin1'));
    return shells.has(name) ? `${process.ppid} ${parent}` : `${process.ppid}`;
  } catch {
    // Only Linux has /proc, and elsewhere the shell makes way for its last command.
    return `${process.ppid}`;
  }
}

/** In a child `--disable-warning` does this; there is no such switch for a process that already runs. */
function hideExpectedWarnings() {
  const emitWarning = process.emitWarning;
  process.emitWarning = (warning, ...rest) => {
    const type = typeof rest[0] === 'object' ? rest[0]?.type : rest[0];
    if (type !== 'ExperimentalWarning') emitWarning.call(process, warning, ...rest);
  };
}
