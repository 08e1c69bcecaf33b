import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, globSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root, writeFile } from '../house/project.ts';
import { allPages, pagesToRun, type Page, type Step } from './pages.ts';

let folder = '';
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

describe('a port', () => {
  it('is of one page, for they all run at once', () => {
    const pagesOf = Map.groupBy(
      allPages.flatMap(({ path, text }) => [...new Set(text.match(/\b187\d\d\b/g))].map((port) => ({ path, port }))),
      ({ port }) => port,
    );
    expect(pagesOf.size).toBeGreaterThan(3);
    expect([...pagesOf.values()].filter((pages) => pages.length > 1)).toEqual([]);
  });
});

describe('a command that a page shows is not run only with a reason', () => {
  const skipped = allPages.flatMap(({ path, steps }) => steps.flatMap((step) => (step.kind === 'skipped' ? [{ path, ...step }] : [])));
  it.each(skipped)('$path, line $line: $why', ({ why, text }) => {
    expect(why.length).toBeGreaterThan(10);
    expect(text.trim()).not.toBe('');
  });
});

describe('TypeScript on the pages', () => {
  it('is all written to a file that something uses', () => {
    for (const { path, text } of allPages) expect({ path, loose: text.match(/^```ts$/gm) }).toEqual({ path, loose: null });
  });

  it('has no type errors', () => {
    const files = pagesToRun.flatMap((page) =>
      page.steps.flatMap((step) => {
        if (step.kind !== 'file' || !step.path.endsWith('.ts')) return [];
        writeFile(folderOf(page), step.path, step.text);
        return [join(folderOf(page), step.path)];
      }),
    );
    expect(files.length).toBeGreaterThan(4);
    const config = { extends: join(root, 'tsconfig.base.json'), compilerOptions: { types: [] }, files };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const tsc = [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder];
    const { stdout } = spawnSync(process.execPath, tsc, { encoding: 'utf8' });
    expect(stdout).toBe('');
  });
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

describe('links', () => {
  it.each(allPages.map((page) => [page.path, page] as const))('of %s lead somewhere', (path, { text }) => {
    const targets = [...text.matchAll(/\]\((?!https?:)([^)#\s]+)/g)].map(([, target]) => target as string);
    expect(targets.filter((target) => !existsSync(join(root, dirname(path), target)))).toEqual([]);
  });

  it('to code name files that there are', () => {
    const missing = allPages.flatMap(({ path, text }) =>
      [...text.matchAll(/`((?:core|adapters|lambdas|local|strategies|bin|test|docs)\/[\w./*-]+\.\w+)`/g)]
        .map(([, file]) => file as string)
        .filter((file) => !file.includes('/my-') && globSync(file, { cwd: root }).length === 0)
        .map((file) => `${path}: ${file}`),
    );
    expect(missing).toEqual([]);
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

/** A folder that looks like a clone. */
function makeClone(clone: string): void {
  mkdirSync(clone, { recursive: true });
  for (const name of ['core', 'adapters', 'bin', 'lambdas', 'local', 'node_modules', 'package.json', 'tsconfig.base.json'])
    symlinkSync(join(root, name), join(clone, name));
  // A page may write its own over these, and must not reach ours through a link.
  for (const name of ['strategies', 'tapeline.config.ts']) cpSync(join(root, name), join(clone, name), { recursive: true });
}

function folderOf({ path }: Page): string {
  return join(folder, 'pages', path.replaceAll('/', '-').replace(/\.md$/, ''));
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
