import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingHttpHeaders, type Server as HttpServer } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signalEventOf } from '../../adapters/bus/signal-event.ts';
import { DynamoDbDeliveries } from '../../adapters/delivery/dynamodb.ts';
import { defineTapeline, slack } from '../../core/config.ts';
import { FakeEventBridge } from '../adapters/bus/fake-event-bridge.ts';
import { certificateFor } from '../adapters/delivery/certificate.ts';
import { startSecretsManager } from '../adapters/delivery/fake-secrets-manager.ts';
import { signalOf } from '../adapters/delivery/signals.ts';
import { startDynamoDbLocal } from '../aws/dynamodb-local.ts';
import { account, clientOf, makeDeliveryTable } from '../aws/table.ts';
import { type Answer, HttpService, type Request } from '../http-service.ts';
import { root } from '../house/project.ts';
import { bundlesOf, removeFolders, synthesisePipeline } from '../lib/synth.ts';

/** Takes events for the function, as Lambda does, and lets it run for each in a process of its own. */
class FakeLambda extends HttpService {
  readonly invoked: Promise<Invocation>[] = [];
  invoke: (event: object) => Promise<Invocation> = async () => ({ answer: {}, log: [] });

  protected override answerTo({ url, headers, body }: Request): Answer {
    if (url !== '/2015-03-31/functions/Deliver/invocations' || headers['x-amz-invocation-type'] !== 'Event') return { status: 400 };
    this.invoked.push(this.invoke(JSON.parse(String(body)) as object));
    return { status: 202 };
  }

  /** What was called, and what was called by that. */
  async all(): Promise<Invocation[]> {
    const ended: Invocation[] = [];
    while (ended.length < this.invoked.length) ended.push(await (this.invoked[ended.length] as Promise<Invocation>));
    return ended;
  }
}

type Invocation = { readonly answer: unknown; readonly log: readonly Record<string, unknown>[] };

const local = await startDynamoDbLocal();
const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;

describe.skipIf(local.kind === 'missing')('the bundle that delivers, by its environment and config alone', () => {
  const endpoint = local.kind === 'running' ? local.endpoint : '';
  const client = clientOf(endpoint);
  const received: { readonly headers: IncomingHttpHeaders; readonly body: string }[] = [];
  let requests = 0;
  let folder = '';
  let bundle = '';
  const sent: object[] = [];
  let receiver: Server;
  let queue: HttpServer;
  let bus: FakeEventBridge;
  let lambda: FakeLambda;
  let secrets: Awaited<ReturnType<typeof startSecretsManager>>;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tapeline-deliver-'));
    const certificate = await certificateFor('127.0.0.1');
    writeFileSync(join(folder, 'ca.pem'), certificate.cert);
    receiver = createServer(certificate, async (request, response) => {
      const body = await text(request);
      // The first attempt fails, so that the function has to wait for the second: nothing else keeps its process alive then.
      if (++requests === 1) return response.writeHead(503).end();
      received.push({ headers: request.headers, body });
      return response.writeHead(204).end();
    }).listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    const configPath = join(folder, 'tapeline.config.ts');
    writeFileSync(
      configPath,
      `import { defineTapeline, slack, sqs, webhook } from ${JSON.stringify(join(root, 'core/config.ts'))};
      export default defineTapeline({ deliver: [
        webhook({ name: 'desk', url: 'https://127.0.0.1:${(receiver.address() as AddressInfo).port}/', allowPrivate: ['127.0.0.1'] }),
        slack({ name: 'alerts' }),
        sqs({ queueArn: 'arn:aws:sqs:us-east-1:123456789012:orders.fifo' }),
      ] });`,
    );
    const config = defineTapeline({ deliver: [slack({ name: 'any' })] });
    bundle = bundlesOf(synthesisePipeline({ config, configPath }, { bundles: true, checks: false })).get('deliver') as string;
    queue = createHttpServer(async (request, response) => {
      const message = JSON.parse(await text(request)) as { MessageBody: string };
      sent.push(message);
      response.end(JSON.stringify({ MessageId: 'm', MD5OfMessageBody: createHash('md5').update(message.MessageBody).digest('hex') }));
    }).listen(0, '127.0.0.1');
    await once(queue, 'listening');
    bus = await FakeEventBridge.start();
    lambda = await FakeLambda.start();
    lambda.invoke = invoke;
    secrets = await startSecretsManager('endpoint-secrets');
    secrets.value = JSON.stringify({ desk: [secret] });
    await makeDeliveryTable(client, 'deliveries');
  });

  afterAll(() => {
    bus.stop();
    lambda.stop();
    secrets.close();
    queue.close();
    receiver.close();
    receiver.closeAllConnections();
    client.destroy();
    removeFolders();
    rmSync(folder, { recursive: true });
    if (local.kind === 'running') local.stop();
  });

  it('takes a signal on and calls a round to each endpoint, which sends a signed webhook, a message to a queue, and disables what has no secret; tells the bus so, and says it all in a line each; the sweep then has nothing to do', async () => {
    const signal = signalOf('IBM', 0);
    const body = JSON.stringify(signalEventOf(signal, { source: '/tapeline/test' }));
    const { answer, log } = await invoke({ Records: [{ messageId: 'a', body }] });
    expect(answer).toEqual({ batchItemFailures: [] });
    expect(log).toContainEqual(expect.objectContaining({ level: 'INFO', message: 'signals delivered', delivered: 0, problems: [] }));
    const logs = (await lambda.all()).flatMap((round) => round.log);
    expect(lambda.invoked).toHaveLength(3);
    expect(received).toHaveLength(1);
    const verified = new Webhook(secret).verify(received[0]?.body ?? '', received[0]?.headers as Record<string, string>);
    expect(verified).toEqual(signalEventOf(signal, { source: '/tapeline/Tapeline' }));
    expect(received[0]?.headers['webhook-id']).toBe(signal.signalId);
    const { signalId } = signal;
    expect(sent).toMatchObject([
      { MessageGroupId: 'IBM', MessageDeduplicationId: signalId, QueueUrl: expect.stringContaining('/orders.fifo') },
    ]);
    expect(bus.calls.flat()).toMatchObject([{ EventBusName: 'signals', Source: 'tapeline', DetailType: 'tapeline.endpoint.disabled.v1' }]);
    const lineOf = (endpoint: string) => logs.find((line) => line['message'] === 'signals delivered' && line['endpoint'] === endpoint);
    expect(lineOf('desk')).toMatchObject({ level: 'INFO', delivered: 1, attemptsFailed: 1 });
    expect(lineOf('orders-fifo')).toMatchObject({ level: 'INFO', delivered: 1 });
    expect(lineOf('alerts')).toMatchObject({ level: 'ERROR', delivered: 0, endpointsDisabled: 1 });
    expect(logs).toContainEqual(expect.objectContaining({ _aws: expect.anything(), endpointsDisabled: 1 }));

    await invoke({ sweep: true });
    expect(lambda.invoked).toHaveLength(3);
    expect(received).toHaveLength(1);
    const store = new DynamoDbDeliveries({ client, tableName: 'deliveries' });
    expect(await store.countsOf('desk')).toMatchObject({ pending: 0, delivered: 1 });
    expect(await store.countsOf('alerts')).toMatchObject({ pending: 1, delivered: 0 });
    expect(JSON.stringify([log, logs])).not.toContain(secret.slice(6));
  });

  /** Runs the handler in a process of its own, as Lambda would. */
  async function invoke(event: object): Promise<Invocation> {
    const code = `
      const { handler } = await import(${JSON.stringify(bundle)});
      process.stderr.write(JSON.stringify(await handler(${JSON.stringify(event)}, { getRemainingTimeInMillis: () => 60_000 })));
    `;
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], {
      env: {
        AWS_REGION: account.region,
        AWS_ACCESS_KEY_ID: account.credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: account.credentials.secretAccessKey,
        AWS_LAMBDA_FUNCTION_NAME: 'Deliver',
        AWS_ENDPOINT_URL_LAMBDA: lambda.endpoint,
        AWS_ENDPOINT_URL_DYNAMODB: endpoint,
        AWS_ENDPOINT_URL_EVENTBRIDGE: await addressOf(bus.client),
        AWS_ENDPOINT_URL_SQS: `http://127.0.0.1:${(queue.address() as AddressInfo).port}`,
        AWS_ENDPOINT_URL_SECRETS_MANAGER: await addressOf(secrets.client),
        NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'),
        POWERTOOLS_SERVICE_NAME: 'Tapeline/deliver',
        POWERTOOLS_METRICS_NAMESPACE: 'Tapeline',
        DELIVERY_TABLE: 'deliveries',
        SECRET_ID: 'endpoint-secrets',
        BUS_NAME: 'signals',
        BUS_SOURCE: 'tapeline',
        SIGNAL_SOURCE: '/tapeline/Tapeline',
        LAMBDA_DOMAIN: 'lambda.us-east-1.amazonaws.com',
      },
    });
    // What is an error is on standard error, where the answer is last.
    const lines = `${stdout}${stderr}`
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    return { answer: lines.pop(), log: lines };
  }
});

async function addressOf({
  config,
}: {
  readonly config: { readonly endpoint?: (() => Promise<{ hostname: string; port?: number }>) | undefined };
}) {
  const address = await config.endpoint?.();
  return `http://${address?.hostname}:${address?.port}`;
}
