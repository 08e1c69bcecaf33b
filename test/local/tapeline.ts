import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Summary } from '../../local/summary.ts';

const root = resolve(import.meta.dirname, '..', '..');
export const cliPath = join(root, 'local', 'cli.ts');
export const launcherPath = join(root, 'bin', 'tapeline.mjs');

export type Ended = {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
};

export type Started = { readonly child: ChildProcess; readonly ended: Promise<Ended> };

export type StartOptions = {
  readonly cwd: string;
  /** The command and its first arguments. @default this Node with the command line itself */
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
};

/** Starts the command line as a user does, with its standard input open. */
export function start(args: readonly string[], { cwd, command = [process.execPath, cliPath], env = {} }: StartOptions): Started {
  const [file, ...first] = command as [string, ...string[]];
  const child = spawn(file, [...first, ...args], { cwd, env: { ...userEnv(), ...env } });
  child.stdin.on('error', () => undefined);
  const output = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  const ended = output.then(([stdout, stderr, [exitCode, signal]]) => ({ exitCode, signal, stdout, stderr }) as Ended);
  return { child, ended };
}

/** The same until its end, with all of its standard input given at once. */
export function tapeline(
  args: readonly string[],
  { input, ...options }: StartOptions & { readonly input?: string | Uint8Array },
): Promise<Ended> {
  const { child, ended } = start(args, options);
  child.stdin?.end(input);
  return ended;
}

/** The summary that a successful `--json` printed: one document, and nothing else on standard output. */
export function summaryOf({ exitCode, stdout, stderr }: Ended): Summary {
  if (exitCode !== 0) throw new Error(`exit ${exitCode}: ${stderr}`);
  if (!/^\{.*\}\n$/.test(stdout)) throw new Error(`standard output must be one line of JSON, received "${stdout.slice(0, 200)}"`);
  return JSON.parse(stdout) as Summary;
}

/** All that must be the same however often the work was interrupted. */
export function factsOf({ seconds: _, ...facts }: Summary): Omit<Summary, 'seconds'> {
  return facts;
}

/** What does not depend on where the trades came from. */
export function foldFactsOf({ seconds: _, feed: __, quarantined: ___, ...facts }: Summary) {
  return facts;
}

/** What a user's shell has; not what the test runner adds for itself. */
function userEnv(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, VITEST: __, npm_command: ___, npm_execpath: ____, ...env } = process.env;
  return env;
}
