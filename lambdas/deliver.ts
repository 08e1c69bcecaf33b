import { parseSignalEvent } from '../adapters/bus/parse-signals.ts';
import { Arrivals, type Arrived, type OrderStore } from '../adapters/delivery/arrivals.ts';
import { type Clock, systemClock } from '../adapters/delivery/clock.ts';
import { type RoundLeases, Rounds, type RoundsOptions } from '../adapters/delivery/rounds.ts';
import type { DeliveryStore } from '../adapters/delivery/store.ts';
import { type Offered, takeOn } from '../adapters/delivery/take-on.ts';
import type { Endpoint } from '../core/delivery.ts';
import type { LinkedSignal } from '../core/signal.ts';
import type { DeliverEvent } from './events/deliver.ts';
import type { QueueEvent, QueueResponse } from './events/queue.ts';

export type DelivererOptions = {
  readonly endpoints: readonly Endpoint[];
  readonly store: DeliveryStore;
  readonly orders: OrderStore;
  readonly leases: RoundLeases;
  /** For one round: nothing of it may go on when Lambda freezes the process. */
  readonly makeDispatcher: RoundsOptions['makeDispatcher'];
  /** Gives the event to another invocation of this handler, and does not wait for that. */
  readonly call: RoundsOptions['call'];
  /** @default the system's */
  readonly clock?: Clock;
  /** Is told what was taken on, what could not be read, and where nobody could be called. */
  readonly report?: (fact: DelivererFact) => void;
};

export type DelivererFact =
  | { readonly kind: 'offered'; readonly offered: Offered }
  | ({ readonly kind: 'arrived' } & Arrived)
  /** It comes again, and at last goes to the dead-letter queue. */
  | { readonly kind: 'bad-message'; readonly messageId: string; readonly reason: string }
  /** What waits for the endpoint is found by the next sweep. */
  | { readonly kind: 'call-failed'; readonly endpoint: string; readonly reason: string };

/** As Lambda's. */
type Context = { readonly getRemainingTimeInMillis: () => number };

/** Longer than any wait between two things to do. */
const aliveMs = 60_000;

/**
 * Makes the handler of three events:
 *
 *     records of the queue    takes signals on, and calls a round to each endpoint that has got something
 *     an endpoint             is such a round
 *     anything else           is the sweep: calls a round wherever something is due by now
 *
 * A message, one CloudEvent, is done when its signal is durable: with the deliveries, or with the symbol's order where it has come before the
 * one it follows. Whether it has arrived then is their matter.
 */
export function makeDeliverer({
  endpoints,
  store,
  orders,
  leases,
  makeDispatcher,
  call,
  clock = systemClock,
  report = () => {},
}: DelivererOptions): (event: DeliverEvent, context: Context) => Promise<QueueResponse> {
  const arrivals = new Arrivals({ store: orders, clock, offer });
  const rounds = new Rounds({
    endpoints,
    store,
    leases,
    makeDispatcher,
    call,
    onCallFailed: (endpoint, error) => report({ kind: 'call-failed', endpoint, reason: String(error) }),
    clock,
  });

  return async (event, context) => {
    // A dispatcher's own waits keep no process alive, and a function whose process ends before its answer has failed.
    const alive = setInterval(() => {}, aliveMs);
    try {
      if ('Records' in event) return await takeOnAll(event.Records);
      if ('endpoint' in event) await rounds.run(event, { untilMs: clock.now() + context.getRemainingTimeInMillis() });
      else await sweep();
      return { batchItemFailures: [] };
    } finally {
      clearInterval(alive);
    }
  };

  async function takeOnAll(records: QueueEvent['Records']): Promise<QueueResponse> {
    const parsed = records.map(({ messageId, body }) => ({ messageId, ...parseSignalEvent(body) }));
    const bad = parsed.flatMap((each) => (each.ok ? [] : { messageId: each.messageId, reason: each.reason }));
    for (const each of bad) report({ kind: 'bad-message', ...each });
    const arrived = await arrivals.take(parsed.flatMap((each) => (each.ok ? each.signals : [])));
    report({ kind: 'arrived', ...arrived });
    return { batchItemFailures: bad.map(({ messageId }) => ({ itemIdentifier: messageId })) };
  }

  async function sweep(): Promise<void> {
    await rounds.sweep();
    report({ kind: 'arrived', ...(await arrivals.sweep()) });
  }

  async function offer(signals: readonly LinkedSignal[]): Promise<void> {
    const stateOf = (endpoint: string) => store.endpointState(endpoint);
    const { offered, wanting } = await takeOn(signals, { endpoints, store, stateOf, nowMs: clock.now() });
    report({ kind: 'offered', offered });
    await rounds.callWhereDue(wanting);
  }
}
