import type { SignalEvent } from './signal-event.ts';

/** Why an event is not on the bus: the service's code, or one of ours where it was not asked. */
export type Unpublished = {
  readonly event: SignalEvent;
  readonly code: string;
  readonly message: string;
  /** The service would never take it, whatever is tried: it is at fault itself. */
  readonly isRefused: boolean;
};

/** Where signals leave for whoever subscribes. */
export interface Bus {
  /**
   * Publishes events; those of one (symbol, strategy) in the order given: behind one that may yet be published, none of them is. Answers
   * with what is not published, in the order given. Publishing again is harmless: the event is the same.
   */
  publish(events: readonly SignalEvent[]): Promise<Unpublished[]>;
}

/** Where signals are kept that the bus will never take. */
export interface RefusedSignals {
  /** Keeping one again changes nothing. */
  keep(refused: readonly Unpublished[]): Promise<void>;
}
