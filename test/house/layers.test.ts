import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linkPackages, makeProject, root, writeFile } from './project.ts';

const layers = ['core', 'strategies', 'adapters', 'lambdas', 'lib', 'local', 'web'] as const;
type Layer = (typeof layers)[number];

const tools = {
  types: (layer: Layer) => ['typescript/bin/tsc', '-p', layer],
  lint: (layer: Layer) => ['@biomejs/biome/bin/biome', 'lint', layer],
  layers: (layer: Layer) => [
    'dependency-cruiser/bin/dependency-cruiser.mjs',
    '--config',
    '.dependency-cruiser.mjs',
    '--output-type',
    'err-long',
    layer,
  ],
};

let project: string;

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
      'test/helper.ts': 'export const help = 1;\n',
    },
  });
  linkPackages(project);
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

describe('what a layer may do', () => {
  it.each<[Layer, string]>([
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
  ])('is let through in %s/', (layer, code) => {
    for (const tool of ['types', 'lint', 'layers'] as const) expect(refusal(layer, tool, code)).toBeUndefined();
  });
});

describe('what a layer may not import', () => {
  it.each<[Layer, string, string]>([
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
    ['core', "import type { x } from './wrong.ts';\nexport type Loop = typeof x;\nexport const x = 1;\n", 'no-cycles'],
  ])('%s/: %s', (layer, code, message) => {
    expect(refusal(layer, 'layers', code)).toContain(message);
  });
});

describe('what the core may not do', () => {
  it.each<[keyof typeof tools, string, string]>([
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
  ])('%s: %s', (tool, code, message) => {
    expect(refusal('core', tool, code)).toContain(message);
  });

  it.each<[Layer]>([['adapters'], ['lambdas'], ['strategies']])('nor may %s/ write to the console', (layer) => {
    expect(refusal(layer, 'lint', "console.log('here');\n")).toContain('console');
  });
});

/** What the tool says against the code, put into the layer as a file; undefined when it has nothing to say. */
function refusal(layer: Layer, tool: keyof typeof tools, code: string): string | undefined {
  const [script, ...args] = tools[tool](layer);
  writeFile(project, `${layer}/wrong.ts`, code);
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'node_modules', script as string), ...args], {
    cwd: project,
    encoding: 'utf8',
  });
  rmSync(join(project, layer, 'wrong.ts'));
  return status === 0 ? undefined : `${stdout}${stderr}`;
}
