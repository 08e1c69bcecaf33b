import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { linkPackages, makeProject, root } from '../house/project.ts';

/** A copy of the project in which the consumer's code is another, and does the same. */
export function newVersion(): { readonly folder: string; readonly remove: () => void } {
  const consumer = 'lambdas/entry/consume.ts';
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
    ],
    written: { [consumer]: `${readFileSync(join(root, consumer), 'utf8')}\nexport const codeVersion = 2;\n` },
  });
  linkPackages(folder);
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
