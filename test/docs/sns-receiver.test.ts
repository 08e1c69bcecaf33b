import { CreateTableCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { eventOf } from '../adapters/bus/signals.ts';
import { startDynamoDbLocal } from '../aws/dynamodb-local.ts';
import { clientOf } from '../aws/table.ts';

const local = await startDynamoDbLocal();

describe.skipIf(local.kind === 'missing')('docs/receive/sns-lambda.ts', () => {
  const said = vi.spyOn(console, 'log');
  let database: DynamoDBClient;
  let handler: (event: { Records: { Sns: { Message: string } }[] }) => Promise<void>;
  const invoked = (...events: readonly object[]) =>
    handler({ Records: events.map((event) => ({ Sns: { Message: JSON.stringify(event) } })) });

  beforeAll(async () => {
    const endpoint = local.kind === 'running' ? local.endpoint : '';
    const env = {
      TABLE_NAME: 'seen',
      AWS_ENDPOINT_URL_DYNAMODB: endpoint,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    };
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    database = clientOf(endpoint);
    await database.send(
      new CreateTableCommand({
        TableName: 'seen',
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
        BillingMode: 'PAY_PER_REQUEST',
      }),
    );
    ({ handler } = await import('../../docs/receive/sns-lambda.ts'));
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
    database.destroy();
    if (local.kind === 'running') local.stop();
  });
  beforeEach(() => void said.mockReset().mockImplementation(() => undefined));
  afterEach(() => vi.useRealTimers());

  it('acts once on each signal, in one call or in several, and not on what is none', async () => {
    const [a, b] = [eventOf('A', 0), eventOf('B', 0)];
    await invoked(a, a, { ...b, type: 'tapeline.ping.v1' });
    await invoked(a);
    await invoked(b, a);
    expect(said.mock.calls).toEqual([['buy A at 181.88 (ema-cross)'], ['buy B at 181.88 (ema-cross)']]);
  });

  it('acts again when it died while it acted, but not while another may still be at it', async () => {
    const event = eventOf('C', 0);
    said.mockImplementationOnce(() => {
      throw new Error('out of memory');
    });
    await expect(invoked(event)).rejects.toThrow('out of memory');
    await expect(invoked(event)).rejects.toThrow('being worked on');
    expect(said).toHaveBeenCalledTimes(1);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 62_000 });
    await invoked(event);
    await invoked(event);
    expect(said).toHaveBeenCalledTimes(2);
  });

  it('acts once when it is called twice at a time', async () => {
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => invoked(eventOf('D', 0))));
    expect(said).toHaveBeenCalledTimes(1);
    for (const result of results) if (result.status === 'rejected') expect(result.reason.message).toContain('being worked on');
  });
});
