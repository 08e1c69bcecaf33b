import { join } from 'node:path';
import { buildSync } from 'esbuild';

/**
 * The environment with which a deployed function loads one of `preloads/` before its handler, whose code stays as it is: Node takes it out of
 * a URL that holds it. An environment has 4 KB.
 */
export function preloaded(name: 'die-after-commit' | 'throttle-bus'): Record<string, string> {
  const { outputFiles } = buildSync({
    entryPoints: [join(import.meta.dirname, 'preloads', `${name}.ts`)],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node24',
  });
  const source = Buffer.from(outputFiles[0]?.contents ?? []).toString('base64');
  return { NODE_OPTIONS: `--enable-source-maps --import=data:text/javascript;base64,${source}` };
}
