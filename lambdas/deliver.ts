import { parseSignals } from '../adapters/bus/parse-signals.ts';
import type { Dispatcher, Offered } from '../adapters/delivery/dispatcher.ts';
import type { Signal } from '../core/signal.ts';
import type { QueueEvent, QueueResponse } from './events/queue.ts';

export type DelivererOptions = {
  /** A dispatcher for one invocation: nothing of it may go on when Lambda freezes the process. */
  readonly makeDispatcher: () => Pick<Dispatcher, 'offer' | 'wake' | 'untilQuiet' | 'stop'>;
  /** Is told what was taken on and what could not be read. */
  readonly report?: (fact: DelivererFact) => void;
};

export type DelivererFact =
  | { readonly kind: 'offered'; readonly offered: Offered }
  /** It comes again, and at last goes to the dead-letter queue. */
  | { readonly kind: 'bad-message'; readonly messageId: string; readonly reason: string };

/** As Lambda's. @default there is time */
type Context = { readonly getRemainingTimeInMillis: () => number };

/** An attempt at its longest, and what is written after it. */
const lastAttemptMs = 18_000;
/** The first retry comes after 5 s, sooner than the next sweep. */
const quietMs = 10_000;

/**
 * Makes the handler of the queue of signals and of the sweep. A message, one CloudEvent, is done when its signal is durable with the
 * deliveries; whether it has arrived then is their matter. An event without records is the sweep: it looks at all that is due.
 */
export function makeDeliverer({
  makeDispatcher,
  report = () => {},
}: DelivererOptions): (event: Partial<QueueEvent>, context?: Context) => Promise<QueueResponse> {
  return async ({ Records }, context) => {
    const dispatcher = makeDispatcher();
    // A dispatcher's own waits keep no process alive, and a function whose process ends before its answer has failed.
    const alive = setInterval(() => {}, lastAttemptMs);
    const bad: string[] = [];
    try {
      if (Records === undefined) await dispatcher.wake();
      else await dispatcher.offer(Records.flatMap(signalOf)).then((offered) => report({ kind: 'offered', offered }));
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

    function signalOf({ messageId, body }: QueueEvent['Records'][number]): Signal[] {
      const parsed = parseEvent(body);
      if (parsed.ok) return parsed.signals;
      report({ kind: 'bad-message', messageId, reason: parsed.reason });
      bad.push(messageId);
      return [];
    }
  };
}

function parseEvent(body: string): ReturnType<typeof parseSignals> {
  try {
    return parseSignals(JSON.stringify([(JSON.parse(body) as { data?: unknown } | null)?.data]));
  } catch (error) {
    return { ok: false, reason: `it is not JSON (${(error as Error).message})` };
  }
}
