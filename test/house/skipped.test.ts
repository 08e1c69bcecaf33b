import { afterEach, expect, it, vi } from 'vitest';
import { startDynamoDbLocal } from '../aws/dynamodb-local.ts';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

it('tests that lack something are skipped with the reason, and on CI they fail', async () => {
  const warn = vi.spyOn(console, 'warn').mockReturnValue();
  vi.stubEnv('PATH', '');
  vi.stubEnv('CI', '');
  expect(await startDynamoDbLocal()).toEqual({ kind: 'missing', reason: 'it needs Java 17 or newer' });
  expect(warn.mock.calls).toEqual([['skipped: the tests on DynamoDB Local (it needs Java 17 or newer)']]);
  vi.stubEnv('CI', 'true');
  await expect(startDynamoDbLocal()).rejects.toThrow('the tests on DynamoDB Local cannot be run, and CI skips none: it needs Java 17');
});
