/**
 * What this product was measured to need: 1,500 symbols, 460 trades a second with a numeric id each, the three strategies that come with it.
 * `npm run bench -- --only load` measures again what is in bytes; where a number is from elsewhere, it says so.
 */
export const measured = {
  /** Of market data as feeds send it; what 4 GB a day is. */
  rawTradeBytes: 100,
  /** A packed trade with an id (the table in `adapters/frames/packed.ts`), a symbol in its frame's dictionary, and a frame's head. */
  frameTradeBytes: 26,
  frameSymbolBytes: 7.7,
  frameHeadBytes: 78,
  /** Of a state: what a slot of a strategy, a window's row and a remembered trade id take when stored (417 bytes a symbol without ids). */
  slotStoredBytes: 2.8,
  rowStoredBytes: 67,
  idStoredBytes: 4.5,
  /** 18.7 signals in 1,000 bars of a strategy: a simulated market is a random walk, and crosses its averages often. */
  signalsPerBar: 0.0187,
  /** With the link to the one before it. */
  signalBytes: 285,
  signalEventBytes: 560,
  barBytes: 190,
  /** A log line and its metrics in a line, and what Lambda writes of each invocation. */
  logLineBytes: 742,
  lambdaLogBytes: 480,
  /** By `npm run bench -- --only consumer`: at 1× 1.1 % of the wall clock is billed, 11 ms a second for both shards. */
  invocationMs: 3,
  packSymbolMs: 4 / 1_500,
  tradeMs: 0.000173,
  /** A call to a table, a bucket or a stream, as that bench takes it. */
  callMs: 10,
} as const;

/** What was not measured on AWS, and is taken to be so: told with the result. */
export const assumed = {
  /** As Parquet with Snappy. */
  barParquetBytes: 50,
  tradeParquetBytes: 25,
  /** A row with all of its names, and the writes of 1 KB that a row is of a call of 100 (the rows of `adapters/history/timestream-rows.ts`). */
  timestreamTradeBytes: 103,
  timestreamBarBytes: 153,
  timestreamTradeWrites: 0.1,
  timestreamBarWrites: 0.15,
  timestreamRowMs: 0.005,
  publishMs: 60,
  transformTradeMs: 0.0015,
  /** DynamoDB's write units for a delivery to one endpoint (docs/decisions/0050). */
  deliveryWriteUnits: 13,
  deliverMs: 200,
  /** A service asks for a data key anew every five minutes. */
  keyUsers: 12,
} as const;
