import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linkPackages, makeProject, root } from './project.ts';

const layers = ['core', 'strategies', 'adapters', 'lambdas', 'lib', 'local', 'web'] as const;
type Layer = (typeof layers)[number];

type Tool = 'types' | 'lint' | 'layers';

const rightCode: readonly [Layer, string][] = [
  ['core', "import { right } from './right.ts';\nexport const x = [right, new Date(5), Date.UTC(2020, 0, 1)];\n"],
  ['strategies', "import { hold } from '../core/strategy.ts';\nexport default hold;\n"],
  [
    'adapters',
    "import fc from 'fast-check';\nimport { readFileSync } from 'node:fs';\nimport { right } from '../core/right.ts';\nexport const x = [fc, readFileSync, right];\n",
  ],
  [
    'lambdas',
    "import { right } from '../adapters/right.ts';\nimport { right as core } from '../core/right.ts';\nexport const x = [right, core, Date.now()];\n",
  ],
  ['lib', "import { right } from '../core/right.ts';\nexport const x = right;\n"],
  [
    'local',
    "import { program } from 'commander';\nimport { right } from '../adapters/right.ts';\nconsole.log(program, right, process.argv);\n",
  ],
  ['web', "import type { Right } from '../core/right.ts';\nexport const x: Right = document.title;\n"],
];

const loopCode = "export type { There } from './there.ts';\nexport type Here = number;\n";
const wrongImports: readonly [Layer, string, string][] = [
  ['core', "export { right } from '../adapters/right.ts';\n", 'core/ may import core'],
  ['core', "export type { Right } from '../local/right.ts';\n", 'core/ may import core'],
  ['core', "export const x = () => import('../lambdas/right.ts');\n", 'core/ may import core'],
  ['core', "export { readFileSync } from 'node:fs';\n", 'core/ may import core'],
  ['core', "export { default } from 'fast-check';\n", 'core/ may import core'],
  ['core', "export { right } from '../strategies/right.ts';\n", 'core/ may import core'],
  ['strategies', "export { right } from '../core/right.ts';\n", 'strategies/ may import core/strategy.ts, no other part of the core'],
  ['strategies', "export { right } from '../adapters/right.ts';\n", 'strategies/ may import strategies, core'],
  ['strategies', "export { readFileSync } from 'node:fs';\n", 'strategies/ may import strategies, core'],
  ['adapters', "export { right } from '../local/right.ts';\n", 'adapters/ may import adapters, core, packages, Node'],
  ['adapters', "export { right } from '../lambdas/right.ts';\n", 'adapters/ may import adapters, core, packages, Node'],
  ['lambdas', "export { right } from '../local/right.ts';\n", 'lambdas/ may import lambdas, core, adapters, tapeline.config.ts,'],
  ['lambdas', "export { program } from 'commander';\n", 'lambdas/ may import lambdas, core, adapters, tapeline.config.ts,'],
  ['lib', "export { right } from '../adapters/right.ts';\n", 'lib/ may import lib, core, aws-cdk-lib, constructs, Node'],
  ['lib', "export { default } from 'fast-check';\n", 'lib/ may import lib, core, aws-cdk-lib, constructs, Node'],
  ['local', "export { right } from '../lib/right.ts';\n", 'local/ may import local, core, adapters, lambdas, commander, Node'],
  ['local', "export { default } from 'fast-check';\n", 'local/ may import local, core, adapters, lambdas, commander, Node'],
  ['web', "export { right } from '../core/right.ts';\n", 'web/ takes types from core/, no code'],
  ['web', "export type { Right } from '../adapters/right.ts';\n", 'web/ may import web, core'],
  ['adapters', "export { help } from '../test/helper.ts';\n", 'no-tests-in-the-product'],
  ['core', loopCode, 'no-cycles'],
];

const wrongInCore: readonly [Tool, string, string][] = [
  ['lint', 'export const x = Date.now();\n', 'reads no clock and no chance'],
  ['lint', 'export const now = Date.now;\n', 'reads no clock and no chance'],
  ['lint', 'export const x = new Date();\n', 'reads no clock and no chance'],
  ['lint', 'export const x = new Date;\n', 'reads no clock and no chance'],
  ['lint', 'export const x = Date();\n', 'reads no clock and no chance'],
  ['lint', 'export const x = Math.random();\n', 'reads no clock and no chance'],
  ['lint', 'export const x = performance.now();\n', 'reads no clock'],
  ['lint', 'export const x = process.env;\n', 'knows no Node'],
  ['lint', 'export const x = globalThis;\n', 'knows no host'],
  ['lint', 'export const x = crypto.randomUUID();\n', 'has no chance'],
  ['lint', 'setTimeout(() => {}, 1);\n', 'does not wait'],
  ['lint', "console.log('here');\n", 'console'],
  ['types', 'export const x = process.env;\n', "Cannot find name 'process'"],
  ['types', 'export const x = Buffer.alloc(1);\n', "Cannot find name 'Buffer'"],
  ['types', 'export const x = window;\n', "Cannot find name 'window'"],
  ['types', "import { readFileSync } from 'node:fs';\nexport const x = readFileSync;\n", "Cannot find name 'node:fs'"],
  ['types', 'export enum Side { Buy }\n', 'erasableSyntaxOnly'],
  ['types', 'export const first = (list: number[]): number => list[0];\n', "'number | undefined' is not assignable"],
  ['types', 'export const x: { a?: number } = { a: undefined };\n', 'exactOptionalPropertyTypes'],
  ['types', "import { right } from './right';\nexport const x = right;\n", 'file extensions'],
];

const consoleCode = "console.log('here');\n";
const silentLayers: readonly Layer[] = ['adapters', 'lambdas', 'strategies'];

let project: string;
/** What each tool says of each file. Every tool looks once at all of them, for its start takes longer than its work. */
let said: Record<Tool, Map<string, string>>;

beforeAll(() => {
  project = makeProject({
    copied: [
      'biome.json',
      '.gitignore',
      'bin/lint',
      '.dependency-cruiser.mjs',
      'tsconfig.base.json',
      ...layers.map((layer) => `${layer}/tsconfig.json`),
    ],
    written: {
      ...Object.fromEntries(layers.map((layer) => [`${layer}/right.ts`, 'export const right = 1;\nexport type Right = string;\n'])),
      'core/strategy.ts': 'export const hold = 0;\n',
      'core/there.ts': `import type { Here } from './${basename(fileOf('core', loopCode))}';\nexport type There = Here;\n`,
      'test/helper.ts': 'export const help = 1;\n',
      ...Object.fromEntries(rightCode.map(([layer, code]) => [fileOf(layer, code), code])),
      ...Object.fromEntries(wrongImports.map(([layer, code]) => [fileOf(layer, code), code])),
      ...Object.fromEntries(wrongInCore.map(([, code]) => [fileOf('core', code), code])),
      ...Object.fromEntries(silentLayers.map((layer) => [fileOf(layer, consoleCode), consoleCode])),
    },
  });
  linkPackages(project);
  said = { types: typesSay(), lint: lintSays(), layers: layersSay() };
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

describe('what a layer may do', () => {
  it.each(rightCode)('is let through in %s/', (layer, code) => {
    for (const of of Object.values(said)) expect(of.get(fileOf(layer, code))).toBeUndefined();
  });
});

describe('what a layer may not import', () => {
  it.each(wrongImports)('%s/: %s', (layer, code, message) => {
    expect(said.layers.get(fileOf(layer, code))).toContain(message);
  });
});

describe('what the core may not do', () => {
  it.each(wrongInCore)('%s: %s', (tool, code, message) => {
    expect(said[tool].get(fileOf('core', code))).toContain(message);
  });

  it.each(silentLayers)('nor may %s/ write to the console', (layer) => {
    expect(said.lint.get(fileOf(layer, consoleCode))).toContain('console');
  });
});

function fileOf(layer: Layer, code: string): string {
  return `${layer}/case-${createHash('sha256').update(code).digest('hex').slice(0, 12)}.ts`;
}

function typesSay(): Map<string, string> {
  const lines = layers.flatMap((layer) => printedBy('typescript/bin/tsc', '-p', layer, '--pretty', 'false').split('\n'));
  return byFile(lines, /^(?<file>\S+\.ts)\(\d+,\d+\): /);
}

function lintSays(): Map<string, string> {
  const printed = printedBy('@biomejs/biome/bin/biome', 'lint', '--max-diagnostics=none', ...layers);
  const atFile = /^(?<file>\S+\.ts):\d/;
  return byFile(printed.split(new RegExp(`(?=${atFile.source})`, 'm')), atFile);
}

function layersSay(): Map<string, string> {
  const printed = printedBy(
    'dependency-cruiser/bin/dependency-cruiser.mjs',
    '--config',
    '.dependency-cruiser.mjs',
    '--output-type',
    'json',
    ...layers,
  );
  const { violations, ruleSetUsed } = (JSON.parse(printed) as { summary: Cruised }).summary;
  const comments = new Map(ruleSetUsed.forbidden.map(({ name, comment }) => [name, comment]));
  return byFile(
    violations.map(({ from, rule }) => `${from}: ${rule.name}, ${comments.get(rule.name)}`),
    /^(?<file>[^:]+): /,
  );
}

type Cruised = {
  readonly violations: readonly { readonly from: string; readonly rule: { readonly name: string } }[];
  readonly ruleSetUsed: { readonly forbidden: readonly { readonly name: string; readonly comment?: string }[] };
};

function byFile(parts: readonly string[], pattern: RegExp): Map<string, string> {
  const texts = new Map<string, string>();
  for (const part of parts) {
    const file = pattern.exec(part)?.groups?.['file'];
    if (file !== undefined) texts.set(file, `${texts.get(file) ?? ''}${part}\n`);
  }
  return texts;
}

function printedBy(script: string, ...args: readonly string[]): string {
  const command = [join(root, 'node_modules', script), ...args];
  const { stdout, stderr } = spawnSync(process.execPath, command, { cwd: project, encoding: 'utf8' });
  return stdout || stderr;
}
