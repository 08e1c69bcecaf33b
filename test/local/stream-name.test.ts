import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { streamNameFor } from '../../local/stream-name.ts';

/** What CloudFormation answers of each stack. */
const answers: Record<string, { readonly status: number; readonly body: string }> = {
  Tapeline: described(
    '<member><OutputKey>SignalBus</OutputKey><OutputValue>bus</OutputValue></member><member><OutputKey>TapeStream</OutputKey><OutputValue>Tapeline-Stream790BDEE4</OutputValue></member>',
  ),
  Other: described('<member><OutputKey>Bucket</OutputKey><OutputValue>b</OutputValue></member>'),
};
const unknown = {
  status: 400,
  body: '<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id Missing does not exist</Message></Error></ErrorResponse>',
};
let server: Server;

beforeAll(async () => {
  server = createServer((request, response) => {
    let text = '';
    request.on('data', (part) => {
      text += part;
    });
    request.on('end', () => {
      const { status, body } = answers[new URLSearchParams(text).get('StackName') ?? ''] ?? unknown;
      response.writeHead(status, { 'content-type': 'text/xml' }).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  vi.stubEnv('AWS_REGION', 'us-east-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
});
afterAll(() => {
  vi.unstubAllEnvs();
  server.close();
});

describe('the stream that is meant', () => {
  const cases: [string, Parameters<typeof streamNameFor>[0], NodeJS.ProcessEnv, string][] = [
    ['is the one of the command line', { stream: 'mine' }, { TAPELINE_STREAM: 'of-the-environment' }, 'mine'],
    ['else the one of the environment', {}, { TAPELINE_STREAM: 'of-the-environment' }, 'of-the-environment'],
    ['else the one that the deployed stack names', {}, { TAPELINE_STREAM: '' }, 'Tapeline-Stream790BDEE4'],
  ];
  it.each(cases)('%s', async (_, options, env, name) => {
    expect(await streamNameFor(options, env)).toBe(name);
  });

  const refused: [string, Parameters<typeof streamNameFor>[0], RegExp][] = [
    [
      'a stack that is not there',
      { stack: 'Missing' },
      /^there is no stack "Missing" in this account and region; deploy it with "npx cdk deploy", or name a stream with --stream or TAPELINE_STREAM$/,
    ],
    ['a stack of something else', { stack: 'Other' }, /^the stack "Other" has no output "TapeStream"; deploy/],
    ['a name that no stream has', { stream: 'a stream' }, /received "a stream"$/],
  ];
  it.each(refused)('is not %s', async (_, options, message) => {
    await expect(streamNameFor(options, {})).rejects.toThrow(message);
  });
});

function described(outputs: string) {
  const stack = `<member><StackName>x</StackName><Outputs>${outputs}</Outputs></member>`;
  return {
    status: 200,
    body: `<DescribeStacksResponse><DescribeStacksResult><Stacks>${stack}</Stacks></DescribeStacksResult></DescribeStacksResponse>`,
  };
}
