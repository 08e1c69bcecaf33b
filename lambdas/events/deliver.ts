import type { RoundCall } from '../../adapters/delivery/rounds.ts';
import type { QueueEvent } from './queue.ts';

/** What the function that delivers is called with: signals of the queue, a round to an endpoint, or that a minute is over. */
export type DeliverEvent = QueueEvent | RoundCall | { readonly sweep: true };
