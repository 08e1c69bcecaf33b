/**
 * The names of what a deployment counts and measures: the same in the handlers that emit them and in the graphs and alarms that read them. A
 * count of nothing is not sent.
 */
export const metricNamespace = 'Tapeline';

/** Sums over a batch, except those that end in a unit. */
export const consumeMetrics = {
  trades: 'Count',
  duplicates: 'Count',
  bars: 'Count',
  signals: 'Count',
  late: 'Count',
  quarantined: 'Count',
  checkpointConflicts: 'Count',
  /** From the watermark to the arrival of the last record: the largest of the batch's buckets. */
  watermarkLagMs: 'Milliseconds',
  /** Of the states that were saved or travel on in the window. */
  stateBytes: 'Bytes',
} as const;

export const publishMetrics = {
  published: 'Count',
  unpublished: 'Count',
  /** Signals that the bus will never take, kept aside. */
  refused: 'Count',
  badItems: 'Count',
  /** From the commit of a signal, dated to the second, to the end of its batch, published or not: the largest of the batch. */
  publishDelayMs: 'Milliseconds',
} as const;

export const deliverMetrics = {
  /** Signals that arrived, once for each endpoint. */
  delivered: 'Count',
  attemptsFailed: 'Count',
  /** Signals that were given up, kept to be sent again. */
  deadLetters: 'Count',
  /** Endpoints that were disabled just now. */
  endpointsDisabled: 'Count',
  badMessages: 'Count',
  /** Signals that went without the one before them of their symbol, after waiting for it. */
  gaps: 'Count',
} as const;

export const historyMetrics = {
  /** Trades given to the history, repeats included. */
  tradesKept: 'Count',
  /** Rows that the history's service will never take, kept aside. */
  rowsRefused: 'Count',
  /** Frames that did not become trades, kept aside as they came. */
  framesFailed: 'Count',
} as const;

export const sessionMetrics = {
  /** 1 while the calendar expects trades, else 0. */
  sessionOpen: 'Count',
} as const;

export type ConsumeMetric = keyof typeof consumeMetrics;
export type PublishMetric = keyof typeof publishMetrics;
export type DeliverMetric = keyof typeof deliverMetrics;
export type HistoryMetric = keyof typeof historyMetrics;
export type SessionMetric = keyof typeof sessionMetrics;
