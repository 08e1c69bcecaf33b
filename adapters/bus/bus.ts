import type { SignalEvent } from './signal-event.ts';

/** Why an event is not on the bus: the service's code, or one of ours where it was not asked. */
export type Unpublished = {
  readonly event: SignalEvent;
  readonly code: string;
  readonly message: string;
};

/** Where signals leave for whoever subscribes. */
export interface Bus {
  /**
   * Publishes events; those of one (symbol, strategy) in the order given: behind one that could not be published, none of them is. Answers
   * with what is not published, in the order given. Publishing again is harmless: the event is the same.
   */
  publish(events: readonly SignalEvent[]): Promise<Unpublished[]>;
}
