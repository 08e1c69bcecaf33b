/** `texts` is a list of them. */
export type ColumnType = 'text' | 'whole' | 'decimal' | 'texts';

export type HistoryColumn = { readonly name: string; readonly type: ColumnType };

/** Rows as they are written, repeats and revisions included, in the table `rows`; and the view `name` over them with the one that stands of each key. */
export type HistoryTable = {
  readonly name: 'bars' | 'signals' | 'late' | 'trades' | 'quarantine';
  readonly rows: string;
  readonly columns: readonly HistoryColumn[];
  readonly key: readonly string[];
  /** The column by which rows of one key can differ: the highest stands. */
  readonly revision?: string;
  /** The order of the rows in an export. */
  readonly order: readonly string[];
};

const texts = (...names: string[]): HistoryColumn[] => names.map((name) => ({ name, type: 'text' }));
const wholes = (...names: string[]): HistoryColumn[] => names.map((name) => ({ name, type: 'whole' }));
const decimals = (...names: string[]): HistoryColumn[] => names.map((name) => ({ name, type: 'decimal' }));
const lists = (...names: string[]): HistoryColumn[] => names.map((name) => ({ name, type: 'texts' }));

/** Their views have the column `interval` too, which follows from the others. */
export const barsTable: HistoryTable = {
  name: 'bars',
  rows: 'bar_rows',
  columns: [
    ...texts('symbol'),
    ...wholes('windowStartMs', 'windowEndMs'),
    ...decimals('open', 'high', 'low', 'close', 'volume'),
    ...wholes('tradeCount'),
    ...decimals('vwap'),
    ...wholes('rev'),
  ],
  key: ['symbol', 'windowStartMs', 'windowEndMs'],
  revision: 'rev',
  order: ['symbol', 'windowStartMs', 'windowEndMs'],
};

export const signalsTable: HistoryTable = {
  name: 'signals',
  rows: 'signal_rows',
  columns: [
    ...texts('signalId', 'symbol', 'strategy', 'side', 'intent'),
    ...wholes('windowStartMs', 'windowEndMs'),
    ...decimals('price', 'confidence'),
    ...lists('reasons'),
  ],
  key: ['signalId'],
  order: ['symbol', 'windowStartMs', 'windowEndMs', 'strategy', 'signalId'],
};

export const lateTable: HistoryTable = {
  name: 'late',
  rows: 'late_rows',
  columns: [
    ...texts('symbol'),
    ...wholes('eventTimeMs'),
    ...decimals('price', 'size'),
    ...wholes('windowStartMs', 'windowEndMs'),
    ...texts('reason'),
    ...wholes('lateByMs'),
    ...texts('position'),
  ],
  key: ['position', 'windowStartMs', 'windowEndMs'],
  order: ['symbol', 'windowStartMs', 'windowEndMs', 'position'],
};

export const tradesTable: HistoryTable = {
  name: 'trades',
  rows: 'trade_rows',
  columns: [
    ...texts('symbol'),
    ...wholes('eventTimeMs'),
    ...decimals('price', 'size'),
    ...texts('tradeId'),
    ...lists('conditions'),
    ...texts('entry'),
  ],
  // The entry alone would do; with these, a query for a symbol or an hour reads no more than that.
  key: ['symbol', 'eventTimeMs', 'entry'],
  order: ['symbol', 'eventTimeMs', 'entry'],
};

export const quarantineTable: HistoryTable = {
  name: 'quarantine',
  rows: 'quarantine_rows',
  columns: texts('position', 'reason', 'sample'),
  key: ['position', 'reason'],
  order: ['position', 'reason'],
};
