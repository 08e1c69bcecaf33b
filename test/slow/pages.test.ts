import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cloneFor, makeClone } from '../docs/clone.ts';
import { root, writeFile } from '../house/project.ts';
import { type Page, pagesToRun, type Step } from '../docs/pages.ts';

let folder = '';
const folderOf = (page: Page) => cloneFor(page, folder);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tapeline-docs-'));
  writeCommand('tapeline', `exec "${process.execPath}" --disable-warning=ExperimentalWarning "${join(root, 'bin/tapeline.mjs')}" "$@"`);
  // npx itself takes longer than what it starts, and it can find only this.
  writeCommand('npx', '[ "$1" = tapeline ] || exit 127; exec "$@"');
  for (const page of pagesToRun) makeClone(folderOf(page));
  // Once before all pages begin at once, so that they find it compiled.
  spawnSync('tapeline', ['--help'], { env: userEnv() });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(process.platform === 'win32').concurrent('the commands on each page run, and print what the page shows', () => {
  it.each(pagesToRun.map((page) => [page.path, page] as const))(
    '%s',
    async (_, page) => {
      for (const step of page.steps) {
        if (step.kind === 'file') writeFile(folderOf(page), step.path, step.text);
        if (step.kind === 'commands') await runStep(page, step);
      }
    },
    120_000,
  );
});

describe('a test that a page shows', () => {
  const shown = pagesToRun.flatMap((page) =>
    page.steps.flatMap((step) =>
      step.kind === 'file' && step.path.endsWith('.test.ts') ? [{ page, step, name: `${page.path}: ${step.path}` }] : [],
    ),
  );

  it.each(shown)('passes, $name', ({ page, step }) => {
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const args = [vitest, 'run', '--root', folderOf(page), step.path];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folderOf(page), encoding: 'utf8', env: userEnv() });
    expect(status, `${stdout}${stderr}`).toBe(0);
    expect(stdout).toMatch(/Tests.*1 passed/);
  });
});

type Commands = Extract<Step, { kind: 'commands' }>;

async function runStep(page: Page, { text, line, output, interruptedBy }: Commands): Promise<void> {
  const at = `${page.path}:${line}`;
  const child = spawn('/bin/sh', ['-e', '-c', text], {
    cwd: folderOf(page),
    detached: true,
    env: userEnv(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  let isInterrupted = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      printed += part;
      if (isInterrupted || interruptedBy === undefined || !printed.includes(interruptedBy)) return;
      isInterrupted = true;
      interrupt(child);
    });
  }
  const [exitCode, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  const ending = exitCode ?? signal;
  const isExpected = interruptedBy === undefined ? ending === 0 : isInterrupted && (ending === 130 || ending === 'SIGINT');
  if (!isExpected) throw new Error(`${at} ended with ${ending}:\n${text}\n${printed}`);
  if (output !== undefined) expect(shapeOf(printed), at).toMatch(patternOf(output));
}

/** What a terminal does: everybody of the group is told. */
function interrupt(child: ChildProcess): void {
  process.kill(-(child.pid as number), 'SIGINT');
}

/** Digits may differ, and with them how far they are indented. */
function shapeOf(text: string): string {
  return text
    .trimEnd()
    .replaceAll(/\d+(?:[,.]\d+)*/g, '0')
    .replaceAll(/[ \t]+/g, ' ')
    .replaceAll(/─+/g, '─');
}

function patternOf(shown: string): RegExp {
  const literal = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${shapeOf(shown).split('…').map(literal).join('.*')}$`, 's');
}

function writeCommand(name: string, script: string): void {
  writeFile(folder, `commands/${name}`, `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, 'commands', name), 0o755);
}

function userEnv(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, VITEST: __, npm_command: ___, npm_execpath: ____, ...env } = process.env;
  // The second start of a command takes half as long with it, and there are many.
  const cache = { NODE_COMPILE_CACHE: join(folder, 'compiled') };
  return { ...env, ...cache, PATH: `${join(folder, 'commands')}${delimiter}${env['PATH']}` };
}
