import { spawnSync } from 'node:child_process';
import { globSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup.mjs';

const isFixing = process.argv.includes('--fix');
const tool = (path) => join(root, 'node_modules', ...path.split('/'));

const results = steps().map(run);
const failed = results.filter((passed) => !passed).length;
process.stdout.write(`check: ${results.length - failed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);

function steps() {
  const layers = sourceFolders();
  return [
    ...layers.map((layer) => ({ name: `types ${layer}`, script: tool('typescript/bin/tsc'), args: ['-p', layer] })),
    {
      name: 'lint and format',
      script: tool('@biomejs/biome/bin/biome'),
      args: ['check', '--error-on-warnings', '--diagnostic-level=warn', ...(isFixing ? ['--write'] : [])],
    },
    {
      name: 'layers',
      script: tool('dependency-cruiser/bin/dependency-cruiser.mjs'),
      args: ['--config', '.dependency-cruiser.mjs', '--output-type', 'err-long', ...layers],
    },
    { name: 'dead code', script: tool('knip/bin/knip.js'), args: ['--no-progress'] },
  ];
}

/** Every folder with TypeScript in it, and the root itself: one without a tsconfig fails its types step. */
function sourceFolders() {
  const isSource = (name) => !name.startsWith('.') && name !== 'node_modules' && globSync(`${name}/**/*.ts`, { cwd: root }).length > 0;
  const folders = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory() && isSource(entry.name));
  return ['.', ...folders.map((entry) => entry.name)];
}

function run({ name, script, args }) {
  const startMs = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28 });
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1).padStart(5);
  process.stdout.write(`${status === 0 ? 'ok  ' : 'FAIL'} ${seconds} s  ${name}\n`);
  if (status !== 0) process.stdout.write(`${stdout}${stderr}\n`);
  return status === 0;
}
