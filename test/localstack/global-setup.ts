import type { TestProject } from 'vitest/node';
import { startLocalStack } from './localstack.ts';

declare module 'vitest' {
  interface ProvidedContext {
    endpoint: string;
  }
}

/** Brings LocalStack up before the tests and takes it down after them. */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const localstack = await startLocalStack((line) => process.stdout.write(`${line}\n`));
  provide('endpoint', localstack.endpoint);
  return localstack.stop;
}
