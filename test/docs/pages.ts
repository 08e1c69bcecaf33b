import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../house/project.ts';

/**
 * What a page asks a reader to do, in order. What a fence says after its language is not shown by GitHub:
 *
 * | in the page | what a test does |
 * |---|---|
 * | `<!-- test: commands -->` | runs them, before what follows; the reader has this already |
 * | ```` ```sh ```` | runs the commands in the folder of the page |
 * | ```` ```sh ctrl-c=TEXT ```` | the same, and presses Ctrl-C when the text was printed |
 * | ```` ```sh skip: why ```` | nothing |
 * | ```` ```text ```` right behind | compares it with what the commands printed: digits may differ, `…` stands for anything |
 * | ```` ```LANGUAGE file=PATH ```` | writes the file |
 */
export type Step =
  | {
      readonly kind: 'commands';
      readonly line: number;
      readonly text: string;
      readonly output: string | undefined;
      readonly interruptedBy: string | undefined;
    }
  | { readonly kind: 'skipped'; readonly line: number; readonly text: string; readonly why: string }
  | { readonly kind: 'file'; readonly line: number; readonly text: string; readonly path: string };

export type Page = { readonly path: string; readonly text: string; readonly steps: readonly Step[] };

const partPattern = /^(?:```(?<language>\w+)(?: (?<attribute>[^\n]*))?\n(?<body>.*?)^```$|<!-- test: (?<setup>.*?) -->$)/gms;

/** Pages that other tests execute. */
const elsewhere = new Set(['docs/query.md', 'docs/deploy.md']);

export const allPages: readonly Page[] = ['README.md', ...globSync('docs/**/*.md', { cwd: root }).sort()].map(pageAt);
export const pagesToRun = allPages.filter(({ path, steps }) => steps.length > 0 && !elsewhere.has(path));

/** The rows of the first table whose header begins with these cells; code marks are taken off. */
export function tableOf({ path, text }: Page, ...header: readonly string[]): string[][] {
  const lines = text.split('\n');
  const at = lines.findIndex((line) => header.every((cell, i) => cellsOf(line)[i] === cell));
  if (at < 0) throw new Error(`${path} has no table with ${header.join(', ')}`);
  const end = lines.findIndex((line, i) => i > at && !line.startsWith('|'));
  return lines.slice(at + 2, end < 0 ? undefined : end).map(cellsOf);
}

export function pageNamed(path: string): Page {
  return allPages.find((page) => page.path === path) ?? pageAt(path);
}

function pageAt(path: string): Page {
  const text = readFileSync(join(root, path), 'utf8');
  return { path, text, steps: [...stepsOf(text)] };
}

function* stepsOf(text: string): Generator<Step> {
  const parts = [...text.matchAll(partPattern)].map((match) => {
    const groups = match.groups as Record<'language' | 'attribute' | 'body' | 'setup', string | undefined>;
    const end = match.index + match[0].length;
    return { ...groups, line: text.slice(0, match.index).split('\n').length, start: match.index, end };
  });
  for (const [i, { language, attribute = '', body = '', setup, line, end }] of parts.entries()) {
    const next = parts[i + 1];
    const output = next?.language === 'text' && text.slice(end, next.start).trim() === '' ? next.body : undefined;
    if (setup !== undefined) yield { kind: 'commands', line, text: setup, output: undefined, interruptedBy: undefined };
    else if (attribute.startsWith('file=')) yield { kind: 'file', line, text: body, path: attribute.slice('file='.length) };
    else if (language !== 'sh') continue;
    else if (attribute.startsWith('skip: ')) yield { kind: 'skipped', line, text: body, why: attribute.slice('skip: '.length) };
    else yield { kind: 'commands', line, text: body, output, interruptedBy: /^ctrl-c=(.+)$/.exec(attribute)?.[1] };
  }
}

function cellsOf(line: string): string[] {
  return line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) =>
      cell
        .trim()
        .replaceAll('\\|', '|')
        .replace(/^`(.*)`$/, '$1'),
    );
}
