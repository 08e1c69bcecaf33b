import { type EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import type { DeliveryEvent } from '../delivery/events.ts';

/** Delivery events that people may want to be told of, by the `detail-type` that rules match on. */
const detailTypes = {
  'endpoint.disabled': 'tapeline.endpoint.disabled.v1',
  'endpoint.down': 'tapeline.endpoint.down.v1',
  'endpoint.recovered': 'tapeline.endpoint.recovered.v1',
  'delivery.dead': 'tapeline.delivery.dead.v1',
} as const;

/** A call takes this many. */
const entriesMax = 10;

/**
 * Puts what happened to endpoints and dead letters on the bus, beside the signals; what is said in logs anyway is left out.
 * @returns how many of them the bus did not take: they are in the logs too, so nothing depends on it
 */
export async function publishNotices(
  events: readonly DeliveryEvent[],
  { client, busName, eventSource }: { readonly client: EventBridgeClient; readonly busName: string; readonly eventSource: string },
): Promise<number> {
  const entries = events.flatMap((event) => {
    const DetailType = detailTypes[event.kind as keyof typeof detailTypes];
    return DetailType === undefined ? [] : [{ EventBusName: busName, Source: eventSource, DetailType, Detail: JSON.stringify(event) }];
  });
  let untaken = 0;
  for (let at = 0; at < entries.length; at += entriesMax) {
    const { FailedEntryCount = 0 } = await client.send(new PutEventsCommand({ Entries: entries.slice(at, at + entriesMax) }));
    untaken += FailedEntryCount;
  }
  return untaken;
}
