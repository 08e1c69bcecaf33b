import { spawnSync } from 'node:child_process';
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup.mjs';

/**
 * Builds `dist`, which a package needs: Node runs no TypeScript below `node_modules`. A clone runs from its sources, so `--remove` takes it
 * away again when it is packed.
 */
const dist = join(root, 'dist');
rmSync(dist, { recursive: true, force: true });
if (!process.argv.includes('--remove')) build();

function build() {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.dist.json'], { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) process.exit(1);
  // The compiler leaves the endings of sources in what it declares.
  for (const file of globSync('**/*.d.ts', { cwd: dist })) {
    const path = join(dist, file);
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replaceAll(/(from |import\()(['"])(\.{1,2}\/[^'"]+)\.ts\2/g, '$1$2$3.js$2'));
  }
  const scope = { type: 'module', imports: { '#tapeline.config': './tapeline.config.js' } };
  writeFileSync(join(dist, 'package.json'), `${JSON.stringify(scope, null, 2)}\n`);
}
