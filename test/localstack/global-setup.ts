import type { TestProject } from 'vitest/node';
import { startLocalStack } from './localstack.ts';
import type { LocalStack } from './running.ts';

declare module 'vitest' {
  interface ProvidedContext {
    endpoint: string;
    kind: LocalStack['kind'];
  }
}

/** Brings LocalStack up before the tests and takes it down after them. */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const localstack = await startLocalStack((line) => process.stdout.write(`${line}\n`));
  provide('endpoint', localstack.endpoint);
  provide('kind', localstack.kind);
  return localstack.stop;
}
