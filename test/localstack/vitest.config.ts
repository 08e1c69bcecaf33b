import { defineConfig } from 'vitest/config';

/** One deployment that everything happens to, in order: what comes after a failure would only repeat it. */
export default defineConfig({
  test: {
    include: ['test/localstack/**/*.test.ts'],
    globalSetup: ['test/localstack/global-setup.ts'],
    setupFiles: ['test/house/no-network.ts'],
    execArgv: ['--disable-warning=ExperimentalWarning'],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    bail: 1,
    // Two deployments at once would wait for each other.
    fileParallelism: false,
    reporters: ['verbose'],
  },
});
