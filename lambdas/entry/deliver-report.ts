import type { DeliveryEvent } from '../../adapters/delivery/events.ts';
import type { DeliverMetric } from '../../core/metrics.ts';
import type { DelivererFact } from '../deliver.ts';

/** What the log line of an invocation says; of what went wrong, the first few. */
export type DeliverLine = Record<DeliverMetric, number> & { readonly problems: readonly (DeliveryEvent | DelivererFact)[] };

const problemsMax = 10;

export function deliverLineOf(facts: readonly DelivererFact[], events: readonly DeliveryEvent[]): DeliverLine {
  const badMessages = facts.filter(({ kind }) => kind === 'bad-message');
  const failedCalls = facts.filter(({ kind }) => kind === 'call-failed');
  const problems = [...badMessages, ...failedCalls, ...events.filter(({ kind }) => kind !== 'delivery.delivered')];
  const signals = (wanted: DeliveryEvent['kind']) =>
    events.reduce((sum, event) => sum + (event.kind === wanted && 'signals' in event ? event.signals : 0), 0);
  const count = (wanted: DeliveryEvent['kind']) => events.filter(({ kind }) => kind === wanted).length;
  return {
    delivered: signals('delivery.delivered'),
    attemptsFailed: count('delivery.failed') + count('delivery.dead'),
    deadLetters: signals('delivery.dead'),
    endpointsDisabled: count('endpoint.disabled'),
    badMessages: badMessages.length,
    gaps: facts.reduce((sum, fact) => sum + (fact.kind === 'arrived' ? fact.gaps : 0), 0),
    problems: problems.slice(0, problemsMax),
  };
}
