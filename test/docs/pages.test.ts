import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { root, writeFile } from '../house/project.ts';
import { cloneFor, makeClone } from './clone.ts';
import { allPages, pagesToRun } from './pages.ts';

const folder = mkdtempSync(join(tmpdir(), 'tapeline-docs-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

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
    const files = pagesToRun.flatMap((page) => {
      const clone = cloneFor(page, folder);
      makeClone(clone);
      return page.steps.flatMap((step) => {
        if (step.kind !== 'file' || !step.path.endsWith('.ts')) return [];
        writeFile(clone, step.path, step.text);
        return [join(clone, step.path)];
      });
    });
    expect(files.length).toBeGreaterThan(4);
    const config = { extends: join(root, 'tsconfig.base.json'), compilerOptions: { types: [] }, files };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const tsc = [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder];
    const { stdout } = spawnSync(process.execPath, tsc, { encoding: 'utf8' });
    expect(stdout).toBe('');
  });
});

describe('links', () => {
  it.each(allPages.map((page) => [page.path, page] as const))('of %s lead somewhere', (path, { text }) => {
    const targets = [...text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)];
    const isThere = (target: string, heading?: string) => {
      const file = target === '' ? path : join(dirname(path), target);
      if (!existsSync(join(root, file))) return false;
      return heading === undefined || headingsOf(readFileSync(join(root, file), 'utf8')).includes(heading);
    };
    expect(targets.filter(([, target = '', heading]) => !isThere(target, heading)).map(([link]) => link)).toEqual([]);
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

/** As GitHub names them in a link. */
function headingsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
