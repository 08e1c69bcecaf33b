import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { EventBridgeBus } from '../../adapters/bus/event-bridge.ts';
import { publishMetrics } from '../../core/metrics.ts';
import type { TableStreamEvent } from '../events/table-stream.ts';
import { makePublisher, type PublishFact } from '../publish.ts';
import { readEnvironment } from './environment.ts';
import { publishDelayMsOf, publishLineOf } from './publish-report.ts';
import { logger, metrics, observed } from './telemetry.ts';

const environment = readEnvironment(['BUS_NAME', 'BUS_SOURCE', 'SIGNAL_SOURCE']);
const bus = new EventBridgeBus({
  // The bus tries again by itself.
  client: new EventBridgeClient({
    maxAttempts: 1,
    requestHandler: { connectionTimeout: 1_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
  }),
  busName: environment.BUS_NAME,
  eventSource: environment.BUS_SOURCE,
});

/** Lambda's handler of the table's stream. */
export const handler = observed('publish', async (event: TableStreamEvent, context?: Parameters<ReturnType<typeof makePublisher>>[1]) => {
  const facts: PublishFact[] = [];
  const publish = makePublisher({ bus, source: environment.SIGNAL_SOURCE, report: (fact) => facts.push(fact) });
  const response = await publish(event, context);
  const line = publishLineOf(facts);
  metrics.addMetric('published', publishMetrics.published, line.published);
  metrics.addMetric('unpublished', publishMetrics.unpublished, line.unpublished);
  metrics.addMetric('badItems', publishMetrics.badItems, line.badItems);
  const delayMs = publishDelayMsOf(event, Date.now());
  if (delayMs !== undefined && line.published > 0) metrics.addMetric('publishDelayMs', publishMetrics.publishDelayMs, delayMs);
  logger[line.unpublished + line.badItems > 0 ? 'error' : 'info']('signals published', { ...line, publishDelayMs: delayMs });
  return response;
});
