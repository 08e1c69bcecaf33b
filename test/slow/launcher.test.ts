import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linkPackages, makeProject } from '../house/project.ts';

const cli = `
import { DatabaseSync } from 'node:sqlite';
new DatabaseSync(':memory:');
const [verb, ...rest] = process.argv.slice(2);
if (verb === 'end') process.exitCode = Number(rest[0]);
if (verb === 'wait') {
  let interrupts = 0;
  process.on('SIGINT', () => { interrupts++; setTimeout(() => { console.log('interrupts ' + interrupts); process.exit(130); }, 100); });
  setInterval(() => {}, 1000);
}
console.log(JSON.stringify({ pid: process.pid, main: import.meta.main, major: Number.parseInt(process.version.slice(1), 10), rest }));
`;

const pretendNode20 = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.9.0'})`;
const launchers = [
  { how: 'in the process of a Node that is new enough', args: ['bin/tapeline.mjs'] },
  { how: 'in a child of a Node that is too old', args: ['--import', pretendNode20, 'bin/tapeline.mjs'] },
] as const;

let project: string;
let bare: string;

beforeAll(() => {
  const files = { copied: ['bin', 'local/orphan.ts'], written: { 'local/cli.ts': cli } };
  project = makeProject(files);
  linkPackages(project);
  bare = makeProject(files);
});

afterAll(() => {
  for (const folder of [project, bare]) rmSync(folder, { recursive: true, force: true });
});

describe.each(launchers)('the command line, $how', ({ args }) => {
  it('gets the arguments, is the main module and gives its exit code', async () => {
    const launched = launch([...args, 'end', '3', '--feed', 'a b']);
    expect(await launched.ended).toEqual({ code: 3, signal: null });
    expect(JSON.parse(launched.out.stdout)).toMatchObject({ main: true, rest: ['3', '--feed', 'a b'] });
  });

  it('runs on Node 24 or newer and says nothing about experimental parts', async () => {
    const launched = launch([...args, 'end', '0']);
    await launched.ended;
    expect(JSON.parse(launched.out.stdout).major).toBeGreaterThanOrEqual(24);
    expect(launched.out.stderr).toBe('');
  });

  it('ends by itself when its work is done', async () => {
    expect(await launch([...args, 'nothing']).ended).toEqual({ code: 0, signal: null });
  });

  it('ends its own way, told once, when Ctrl-C goes to the whole group', async () => {
    const launched = await launch([...args, 'wait']).ready;
    process.kill(-(launched.child.pid as number), 'SIGINT');
    expect(await launched.ended).toEqual({ code: 130, signal: null });
    expect(launched.out.stdout).toContain('interrupts 1\n');
  });

  it('ends its own way when only the launcher is interrupted', async () => {
    const launched = await launch([...args, 'wait']).ready;
    launched.child.kill('SIGINT');
    expect(await launched.ended).toEqual({ code: 130, signal: null });
  });

  it.each(['SIGTERM', 'SIGHUP', 'SIGKILL'] as const)('leaves nothing behind after %s to the launcher', async (signal) => {
    const launched = await launch([...args, 'wait']).ready;
    launched.child.kill(signal);
    expect(await launched.ended).toEqual({ code: null, signal });
    await gone(pidOf(launched));
  });

  it.each([
    ['npm', '"$@"; true'],
    ['npm, with a shell between', `sh -c '"$@"; true' sh "$@"; true`],
  ])('leaves nothing behind when what started it is killed: %s', async (_, script) => {
    const command = ['-c', script, 'sh', process.execPath, ...args, 'wait'];
    const launched = await launch(command, { file: 'sh', env: { npm_command: 'exec' } }).ready;
    launched.child.kill('SIGKILL');
    await gone(pidOf(launched));
  });
});

describe('without a Node that is new enough', () => {
  it('says in one line what was found and what to do', async () => {
    const launched = launch(['--import', pretendNode20, 'bin/tapeline.mjs', 'end', '0'], { cwd: bare });
    expect(await launched.ended).toEqual({ code: 1, signal: null });
    expect(launched.out).toEqual({
      stdout: '',
      stderr: expect.stringMatching(/^tapeline needs Node 24 or newer, found 20\.9\.0, and .*: install Node 24 and try again\n$/),
    });
  });
});

type Launched = { readonly child: ChildProcess; readonly out: { stdout: string; stderr: string } } & {
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
};

/** Starts a launcher in a process group of its own. `ready` is there once the command line has written its first line. */
function launch(
  args: readonly string[],
  { cwd = project, file = process.execPath, env = {} }: { cwd?: string; file?: string; env?: Record<string, string> } = {},
): Launched & { readonly ready: Promise<Launched> } {
  const { npm_command: _, npm_execpath: __, ...rest } = process.env;
  const child = spawn(file, args, { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...rest, ...env } });
  const out = { stdout: '', stderr: '' };
  child.stderr.on('data', (chunk) => {
    out.stderr += chunk;
  });
  const ended = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
  const closed = once(child, 'close');
  const launched = { child, out, ended: ended.then(async (end) => (end.code === null ? end : closed.then(() => end))) };
  const ready = new Promise<Launched>((resolve) => {
    child.stdout.on('data', (chunk) => {
      out.stdout += chunk;
      if (out.stdout.includes('\n')) resolve(launched);
    });
  });
  return { ...launched, ready };
}

function pidOf({ out }: Launched): number {
  return JSON.parse(out.stdout.split('\n')[0] as string).pid;
}

async function gone(pid: number): Promise<void> {
  await expect.poll(() => isAlive(pid), { timeout: 30_000 }).toBe(false);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
