import { join } from 'node:path';
import { buildSync } from 'esbuild';

/**
 * The environment that makes a deployed function fail, without a change of its code: Node loads the fault before the handler, out of a URL
 * that holds it. An environment takes 4 KB.
 */
export function failing(fault: 'die-after-commit' | 'throttle-bus'): Record<string, string> {
  const { outputFiles } = buildSync({
    entryPoints: [join(import.meta.dirname, 'faults', `${fault}.ts`)],
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
