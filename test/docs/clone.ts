import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../house/project.ts';
import type { Page } from './pages.ts';

/** Where in the folder the reader of this page works. */
export function cloneFor({ path }: Page, folder: string): string {
  return join(folder, 'pages', path.replaceAll('/', '-').replace(/\.md$/, ''));
}

/** A folder that looks like a clone. */
export function makeClone(clone: string): void {
  mkdirSync(clone, { recursive: true });
  for (const name of ['core', 'adapters', 'bin', 'lambdas', 'local', 'node_modules', 'package.json', 'tsconfig.base.json'])
    symlinkSync(join(root, name), join(clone, name));
  // A page may write its own over these, and must not reach ours through a link.
  for (const name of ['strategies', 'tapeline.config.ts']) cpSync(join(root, name), join(clone, name), { recursive: true });
}
