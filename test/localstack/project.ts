import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { linkPackages, makeProject, root } from '../house/project.ts';

export type Project = { readonly folder: string; readonly remove: () => void };

/** A copy of the project in which the consumer's code is another, and does the same. */
export function newVersion(): Project {
  const consumer = 'lambdas/entry/consume.ts';
  return copyWith({ [consumer]: `${readFileSync(join(root, consumer), 'utf8')}\nexport const codeVersion = 2;\n` });
}

/** A copy of the project whose user has stated something else. */
export function projectOf(config: string): Project {
  return copyWith({ 'tapeline.config.ts': config });
}

function copyWith(written: Readonly<Record<string, string>>): Project {
  const folder = makeProject({
    copied: [
      'adapters',
      'bin',
      'core',
      'lambdas',
      'lib',
      'schemas',
      'strategies',
      'cdk.json',
      'package-lock.json',
      'tapeline.config.ts',
      'tsconfig.base.json',
    ].filter((path) => !(path in written)),
    written,
  });
  linkPackages(folder);
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
