import config from '#tapeline.config';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { publishNotices } from '../../adapters/bus/notices.ts';
import { Dispatcher } from '../../adapters/delivery/dispatcher.ts';
import { DynamoDbDeliveries } from '../../adapters/delivery/dynamodb.ts';
import { DynamoDbOrders } from '../../adapters/delivery/dynamodb-orders.ts';
import { DynamoDbRoundLeases } from '../../adapters/delivery/dynamodb-round-leases.ts';
import type { DeliveryEvent } from '../../adapters/delivery/events.ts';
import { SecretsManagerSecrets } from '../../adapters/delivery/secrets-manager.ts';
import { makeSender } from '../../adapters/delivery/senders.ts';
import { cloudEndpointsOf } from '../../core/delivery.ts';
import { deliverMetrics } from '../../core/metrics.ts';
import { type DelivererFact, makeDeliverer } from '../deliver.ts';
import type { DeliverEvent } from '../events/deliver.ts';
import { addCounts } from './add-counts.ts';
import { readOwnCall } from './deliver-call.ts';
import { deliverLineOf } from './deliver-report.ts';
import { readEnvironment } from './environment.ts';
import { ownRetries } from './own-retries.ts';
import { logger, metrics, observed } from './telemetry.ts';

const environment = readEnvironment(['DELIVERY_TABLE', 'SECRET_ID', 'BUS_NAME', 'BUS_SOURCE', 'SIGNAL_SOURCE']);
const table = { client: new DynamoDBClient(ownRetries), tableName: environment.DELIVERY_TABLE };
const store = new DynamoDbDeliveries(table);
const orders = new DynamoDbOrders(table);
const leases = new DynamoDbRoundLeases(table);
const self = readOwnCall();
const sender = makeSender({
  secrets: new SecretsManagerSecrets({ client: new SecretsManagerClient(), secretId: environment.SECRET_ID }),
  source: environment.SIGNAL_SOURCE,
});
const events = new EventBridgeClient();
const endpoints = cloudEndpointsOf(config);

/** Lambda's handler of the queue of signals, of rounds to one endpoint, and of the sweep each minute. */
export const handler = observed('deliver', async (event: DeliverEvent, context: Parameters<ReturnType<typeof makeDeliverer>>[1]) => {
  const facts: DelivererFact[] = [];
  const seen: DeliveryEvent[] = [];
  const deliver = makeDeliverer({
    endpoints,
    store,
    orders,
    leases,
    makeDispatcher: (endpoint) => new Dispatcher({ endpoints: [endpoint], store, sender, onEvent: (each) => seen.push(each) }),
    call: (round) => self.call(round),
    report: (fact) => facts.push(fact),
  });
  try {
    return await deliver(event, context);
  } finally {
    const line = deliverLineOf(facts, seen);
    const { problems, ...counts } = line;
    addCounts(metrics, deliverMetrics, counts);
    const { deadLetters, endpointsDisabled, badMessages } = line;
    const isWrong = deadLetters + endpointsDisabled + badMessages > 0 || problems.some(({ kind }) => kind === 'call-failed');
    logger[isWrong ? 'error' : 'info']('signals delivered', { ...('endpoint' in event && { endpoint: event.endpoint }), ...line });
    await publishNotices(seen, { client: events, busName: environment.BUS_NAME, eventSource: environment.BUS_SOURCE }).catch(
      (error: unknown) => logger.error('the bus took no notices', error as Error),
    );
  }
});
