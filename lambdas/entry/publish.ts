import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { EventBridgeBus } from '../../adapters/bus/event-bridge.ts';
import { S3RefusedSignals } from '../../adapters/s3/refused-signals.ts';
import { publishMetrics } from '../../core/metrics.ts';
import type { TableStreamEvent } from '../events/table-stream.ts';
import { makePublisher, type PublishFact } from '../publish.ts';
import { addCounts } from './add-counts.ts';
import { readBucket } from './bucket.ts';
import { readEnvironment } from './environment.ts';
import { ownRetries } from './own-retries.ts';
import { publishDelayMsOf, publishLineOf } from './publish-report.ts';
import { logger, metrics, observed } from './telemetry.ts';

const environment = readEnvironment(['BUS_NAME', 'BUS_SOURCE', 'SIGNAL_SOURCE', 'REFUSED_PREFIX']);
const bus = new EventBridgeBus({
  client: new EventBridgeClient(ownRetries),
  busName: environment.BUS_NAME,
  eventSource: environment.BUS_SOURCE,
});
const refused = new S3RefusedSignals({ bucket: readBucket('REFUSED'), prefix: environment.REFUSED_PREFIX });

/** Lambda's handler of the table's stream. */
export const handler = observed('publish', async (event: TableStreamEvent, context?: Parameters<ReturnType<typeof makePublisher>>[1]) => {
  const facts: PublishFact[] = [];
  const publish = makePublisher({ bus, refused, source: environment.SIGNAL_SOURCE, report: (fact) => facts.push(fact) });
  const response = await publish(event, context);
  const line = publishLineOf(facts);
  const publishDelayMs = publishDelayMsOf(event, Date.now());
  const { problems, ...counts } = line;
  addCounts(metrics, publishMetrics, { ...counts, ...(publishDelayMs !== undefined && { publishDelayMs }) });
  logger[problems.length > 0 ? 'error' : 'info']('signals published', { ...line, publishDelayMs });
  return response;
});
