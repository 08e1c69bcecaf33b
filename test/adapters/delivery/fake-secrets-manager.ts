import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { account } from '../../aws/table.ts';

/** Secrets Manager as it is seen from outside, with one secret. */
export async function startSecretsManager(secretId: string) {
  const state = { value: '{}', calls: [] as string[], failure: undefined as string | undefined };
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const part of request.setEncoding('utf8')) text += part;
    const { SecretId, SecretString } = JSON.parse(text) as { SecretId: string; SecretString?: string };
    const operation = String(request.headers['x-amz-target']).split('.')[1] as string;
    state.calls.push(operation);
    response.setHeader('content-type', 'application/x-amz-json-1.1');
    const failure = state.failure ?? (SecretId === secretId ? undefined : 'ResourceNotFoundException');
    if (failure !== undefined) {
      response.writeHead(failure === 'InternalServiceError' ? 500 : 400).end(JSON.stringify({ __type: failure, message: 'as told' }));
      return;
    }
    if (operation === 'PutSecretValue') state.value = SecretString as string;
    response.end(JSON.stringify({ Name: secretId, SecretString: state.value }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = new SecretsManagerClient({
    ...account,
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    maxAttempts: 1,
  });
  return Object.assign(state, {
    client,
    close: () => {
      client.destroy();
      server.close();
    },
  });
}
