import { parseSignalEvent } from '../adapters/bus/parse-signals.ts';
import { Arrivals, type Arrived, type OrderStore } from '../adapters/delivery/arrivals.ts';
import type { Clock } from '../adapters/delivery/clock.ts';
import type { Dispatcher } from '../adapters/delivery/dispatcher.ts';
import type { Offered } from '../adapters/delivery/take-on.ts';
import type { LinkedSignal } from '../core/signal.ts';
import type { QueueEvent, QueueResponse } from './events/queue.ts';

export type DelivererOptions = {
  /** A dispatcher for one invocation: nothing of it may go on when Lambda freezes the process. */
  readonly makeDispatcher: () => Pick<Dispatcher, 'offer' | 'wake' | 'untilQuiet' | 'stop'>;
  readonly orders: OrderStore;
  /** @default the system's */
  readonly clock?: Clock;
  /** Is told what was taken on and what could not be read. */
  readonly report?: (fact: DelivererFact) => void;
};

export type DelivererFact =
  | { readonly kind: 'offered'; readonly offered: Offered }
  | ({ readonly kind: 'arrived' } & Arrived)
  /** It comes again, and at last goes to the dead-letter queue. */
  | { readonly kind: 'bad-message'; readonly messageId: string; readonly reason: string };

/** As Lambda's. @default there is time */
type Context = { readonly getRemainingTimeInMillis: () => number };

/** An attempt at its longest, and what is written after it. */
const lastAttemptMs = 18_000;
/** The first retry comes after 5 s, sooner than the next sweep. */
const quietMs = 10_000;

/**
 * Makes the handler of the queue of signals and of the sweep. A message, one CloudEvent, is done when its signal is durable: with the
 * deliveries, or with the symbol's order where it has come before the one it follows. Whether it has arrived then is their matter. An event
 * without records is the sweep: it looks at all that is due.
 */
export function makeDeliverer({
  makeDispatcher,
  orders,
  clock,
  report = () => {},
}: DelivererOptions): (event: Partial<QueueEvent>, context?: Context) => Promise<QueueResponse> {
  return async ({ Records }, context) => {
    const dispatcher = makeDispatcher();
    // A dispatcher's own waits keep no process alive, and a function whose process ends before its answer has failed.
    const alive = setInterval(() => {}, lastAttemptMs);
    const bad: string[] = [];
    const arrivals = new Arrivals({ store: orders, ...(clock && { clock }), offer });
    try {
      if (Records === undefined) await dispatcher.wake();
      const arrived = Records === undefined ? await arrivals.sweep() : await arrivals.take(Records.flatMap(signalOf));
      report({ kind: 'arrived', ...arrived });
      const timeMs = (context?.getRemainingTimeInMillis() ?? Number.POSITIVE_INFINITY) - lastAttemptMs;
      await dispatcher.untilQuiet({
        withinMs: quietMs,
        ...(Number.isFinite(timeMs) && { signal: AbortSignal.timeout(Math.max(0, timeMs)) }),
      });
      await dispatcher.stop({ graceMs: lastAttemptMs });
    } finally {
      clearInterval(alive);
    }
    return { batchItemFailures: bad.map((itemIdentifier) => ({ itemIdentifier })) };

    async function offer(signals: readonly LinkedSignal[]): Promise<void> {
      report({ kind: 'offered', offered: await dispatcher.offer(signals) });
    }

    function signalOf({ messageId, body }: QueueEvent['Records'][number]): LinkedSignal[] {
      const parsed = parseSignalEvent(body);
      if (parsed.ok) return parsed.signals;
      report({ kind: 'bad-message', messageId, reason: parsed.reason });
      bad.push(messageId);
      return [];
    }
  };
}
