import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PutSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { account } from '../aws/table.ts';
import { projectOf } from './project.ts';
import { Receiver } from './receiver.ts';
import { Trial } from './trial.ts';
import { until } from './until.ts';

const endpoint = inject('endpoint');
const trial = new Trial(endpoint);
const receiver = await Receiver.start();
const project = projectOf(`
import { defineTapeline, webhook } from './core/config.ts';
import breakout from './strategies/breakout.ts';
import emaCross from './strategies/ema-cross.ts';
import rsiReversion from './strategies/rsi-reversion.ts';

export default defineTapeline({
  strategies: [emaCross, rsiReversion, breakout],
  deliver: [webhook({ name: 'desk', url: '${receiver.url}', allowPrivate: ['127.0.0.1'] })],
});
`);
afterAll(async () => {
  await trial.end();
  receiver.stop();
  project.remove();
});

// Functions that run as containers reach no receiver of this process.
describe.skipIf(inject('kind') !== 'host')('a deployment that delivers to a webhook', () => {
  it('is deployed, and told the secret', async () => {
    await trial.cdk(['bootstrap', 'aws://000000000000/us-east-1']);
    await trial.deploy(project.folder);
    await trial.begin();
    const certificate = join(trial.folder, 'receiver.pem');
    writeFileSync(certificate, receiver.certificate.cert);
    await trial.deployed.addEnvironment('deliver', { NODE_EXTRA_CA_CERTS: certificate });
    const secrets = new SecretsManagerClient({ ...account, endpoint });
    const SecretString = JSON.stringify({ desk: [receiver.secret] });
    await secrets.send(new PutSecretValueCommand({ SecretId: trial.deployed.output('DeliverySecret'), SecretString }));
    secrets.destroy();
  });

  it('gives it the signals of a replay, signed, though it fails now and then', async () => {
    await trial.feedMarket('2024-09-12');
    await trial.expectReplayed();
    const expected = trial.inbox.deliveries.map(({ event }) => event.data);
    // Under the retry schedule, which the sweep of each minute carries on.
    await until(`${expected.length} signals were received`, () => receiver.events.length >= expected.length, { waitMaxMs: 150_000 });
    expect(receiver.refused).toBeGreaterThan(0);
    const received = receiver.events.map(({ data }) => data);
    expect(received.map(({ signalId }) => signalId).sort()).toEqual(expected.map(({ signalId }) => signalId).sort());
  });
});
