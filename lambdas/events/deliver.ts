import type { QueueEvent } from './queue.ts';

/** What the function that delivers is called with: signals of the queue, an endpoint to deliver to, or that a minute is over. */
export type DeliverEvent = QueueEvent | { readonly endpoint: string } | { readonly sweep: true };
