import { defineConfig } from 'vitest/config';

const isSlowWanted = process.env.TAPELINE_SLOW === '1' || process.argv.includes('slow');

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/localstack/**', ...(isSlowWanted ? [] : ['test/slow/**'])],
    setupFiles: ['test/house/no-network.ts'],
    execArgv: ['--disable-warning=ExperimentalWarning'],
    maxWorkers: 2,
    env: isSlowWanted ? { TAPELINE_SLOW: '1' } : {},
    // For a machine that has other work too: what hangs is seen all the same.
    testTimeout: isSlowWanted ? 600_000 : 90_000,
    hookTimeout: isSlowWanted ? 600_000 : 90_000,
    reporters: ['default'],
  },
});
