// Made by schemas/generate.ts from signal.v1.json.

/** A decision to tell somebody about, not an order: the `data` of a CloudEvent of type tapeline.signal.v1. The same decision has the same signalId however often it arrives. Fields may be added; those here stay. */
export type Signal = {
  /** Safe in a header, a URL, a file name and a queue's deduplication id. */
  readonly signalId: string;
  readonly symbol: string;
  /** The name of the strategy that decided. */
  readonly strategy: string;
  readonly side: 'buy' | 'sell';
  /** enter opens a position (long on buy, short on sell), exit closes the one held. */
  readonly intent: 'enter' | 'exit';
  /** Start of the bar that the decision was made on, in Unix milliseconds, UTC. */
  readonly windowStartMs: number;
  /** End of that bar, which it does not include, in Unix milliseconds, UTC. */
  readonly windowEndMs: number;
  /** The bar's close. */
  readonly price: number;
  readonly confidence: number;
  /** For people to read. */
  readonly reasons: readonly string[];
};

/** What leaves Tapeline for a signal, by whatever way: a CloudEvent 1.0 in its JSON format. */
export type SignalEvent = {
  readonly specversion: '1.0';
  /** The signalId: every repeat has the same. */
  readonly id: string;
  /** The deployment that raised the signal. */
  readonly source: string;
  readonly type: 'tapeline.signal.v1';
  /** The end of the bar's window; absent for a year that has not four digits. */
  readonly time?: string;
  /** The symbol. */
  readonly subject: string;
  /** Of the bar that was decided on, such as 1m: for subscribers to filter on. */
  readonly interval: string;
  /** The id of the symbol's signal before this one, whether or not it was for you; absent when this is its first, and where a way out keeps the order by itself. */
  readonly previousid?: string;
  readonly datacontenttype: 'application/json';
  readonly dataschema: 'urn:tapeline:schema:signal.v1';
  readonly data: Signal;
};
