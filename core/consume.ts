import { assert } from './assert.ts';
import type { LateTrade } from './bar.ts';
import type { BarTable, PlainRun } from './bar-table.ts';
import { bucketOf } from './bucket.ts';
import { type BucketState, emptyOutcome, type Outcome, type ProducerState } from './bucket-state.ts';
import { touchesAll, touchesOf, touchesVolume } from './conditions.ts';
import { endFlag, type Frame, heartbeatIndex, latestMsOf, silentFlag } from './frame.ts';
import { textKeys } from './id-set.ts';
import { type QuarantineReason, sampleBytesMax } from './reasons.ts';
import { addTo } from './sum.ts';
import { saturatingAdd } from './window.ts';

/** One record of the log, decoded: what could be read of it, and what could not. */
export type TapeRecord = {
  /** Decimal, without leading zeros; rises within a bucket. */
  readonly sequenceNumber: string;
  /** Of the stream; undefined where nobody says. */
  readonly shardId?: string | undefined;
  readonly arrivalTimeMs: number;
  readonly frames: readonly Frame[];
  readonly rejected: readonly RejectedPart[];
};

/** A frame or a trade in it that cannot be folded. */
export type RejectedPart = { readonly index: number; readonly reason: QuarantineReason; readonly sample: string };

/**
 * Folds records of one bucket, in log order, into its state, and returns what comes out.
 *
 * A record at or before the state's position changes nothing, so a repeated or re-sliced delivery gives nothing twice; one that came there
 * through a second shard is set aside, each time that it is delivered. The result is a function of the state and the records alone: however
 * the log is cut into calls, the same bars, signals and late trades come out in the same order. Always: trades = trades in bars + late +
 * duplicates, for each interval.
 */
export function advance(state: BucketState, records: Iterable<TapeRecord>, outcome: Outcome = emptyOutcome()): Outcome {
  state.outcome = outcome;
  for (const record of records) {
    if (!isAfter(record.sequenceNumber, state.sequenceNumber)) {
      if (isOfSecondShard(state, record)) setAside(state, record);
      continue;
    }
    state.position = record.sequenceNumber;
    foldRecord(state, record);
    state.sequenceNumber = record.sequenceNumber;
    noteShard(state, record);
  }
  for (const table of state.tables) {
    assert(
      state.counts.trades === table.tradeCount + table.lateCount + state.counts.duplicates,
      `trades in must equal trades in bars + late + duplicates, bucket ${state.bucket} has ${state.counts.trades} in, ${table.tradeCount} + ${table.lateCount} + ${state.counts.duplicates}`,
    );
  }
  return outcome;
}

/** Shards that hold a bucket one after the other are split and merged in hours; those before that are gone with the stream's retention. */
const shardsMax = 32;

/** A shard that goes on for another begins behind it: what lies before the position and was not folded came through a second one at the same time. */
function isOfSecondShard({ shards }: BucketState, { shardId, sequenceNumber }: TapeRecord): boolean {
  if (shardId === undefined) return false;
  const folded = shards.get(shardId);
  return folded === undefined ? shards.size > 0 && shards.size < shardsMax : isAfter(sequenceNumber, folded);
}

/** Not counted in the state, which it does not move: a repeat must be told from nothing. */
function setAside(state: BucketState, record: TapeRecord): void {
  const sample = `a record of ${record.shardId}, behind one of another shard`;
  state.outcome.quarantined.push({ position: positionOf(record, 0), reason: 'bucket-in-two-shards', sample });
}

function noteShard({ shards }: BucketState, { shardId, sequenceNumber }: TapeRecord): void {
  if (shardId === undefined) return;
  shards.delete(shardId);
  shards.set(shardId, sequenceNumber);
  if (shards.size > shardsMax) shards.delete(shards.keys().next().value as string);
}

/** What was rejected in a frame that was folded before was set aside then. */
function foldRecord(state: BucketState, record: TapeRecord): void {
  const newFrames = record.frames.filter((frame) => isNewFrame(state, frame));
  if (newFrames.length > 0 || record.frames.length === 0) {
    for (const { index, reason, sample } of record.rejected) state.quarantine(positionOf(record, index), reason, sample);
  }
  let firstIndex = 0;
  for (const frame of record.frames) {
    if (newFrames.includes(frame)) foldFrame(state, frame, record, firstIndex);
    firstIndex += frame.count;
  }
}

/** Sequence numbers are decimal numbers of up to 56 digits: the longer is the larger. */
export function isAfter(sequenceNumber: string, other: string): boolean {
  return sequenceNumber.length === other.length ? sequenceNumber > other : sequenceNumber.length > other.length;
}

function positionOf(record: TapeRecord, index: number): string {
  return `${record.sequenceNumber}#${index}`;
}

/** A producer that puts a frame again gives it the same number; one that is overtaken leaves a gap, which is filled when it comes. */
function isNewFrame(state: BucketState, frame: Frame): boolean {
  if (frame.producerSequence === 0) return true;
  const producer = state.producers.get(frame.producerId) ?? { last: 0, missing: new Set() };
  state.producers.set(frame.producerId, producer);
  if (frame.producerSequence > producer.last) {
    noteMissing(state, producer, frame.producerSequence);
    producer.last = frame.producerSequence;
    return true;
  }
  if (producer.missing.delete(frame.producerSequence)) {
    state.counts.missingFrames--;
    return true;
  }
  state.counts.repeatedFrames++;
  return false;
}

/** Frames of one PutRecords call may be stored in any order; no call holds more than 500. */
const missingFramesMax = 500;

function noteMissing(state: BucketState, producer: ProducerState, sequence: number): void {
  state.counts.missingFrames += sequence - producer.last - 1;
  for (let missing = Math.max(producer.last + 1, sequence - missingFramesMax); missing < sequence; missing++) producer.missing.add(missing);
  for (const oldest of producer.missing) {
    if (producer.missing.size <= missingFramesMax) break;
    producer.missing.delete(oldest);
  }
}

/** The hot path: what a plain trade needs is in locals, and goes back to the state before anything else looks at it. */
function foldFrame(state: BucketState, frame: Frame, record: TapeRecord, firstIndex: number): void {
  const { outOfOrdernessMs, aheadMaxMs, conditions } = state.pipeline;
  const { symbolIndex, timeOffsetMs, price, size, conditionIndex, flags, baseTimeMs, count } = frame;
  const { tables, sink, volume } = state;
  const symbols = symbolsOf(state, frame);
  const touchesByIndex = Uint8Array.from(frame.conditionSets, (set) => touchesOf(set, conditions));
  const latestMs = latestMsOf(frame, record.arrivalTimeMs, aheadMaxMs);
  const hasIds = frame.tradeIdNumber !== undefined || frame.tradeIdText !== undefined;
  const onlyTable = tables.length === 1 && touchesByIndex.every((touches) => touches === touchesAll) ? tables[0] : undefined;
  let { nextActionMs } = state;
  let trades = 0;
  const run: PlainRun = {
    next: 0,
    end: hasIds ? 0 : count,
    latestMs,
    outOfOrdernessMs,
    heartbeats: 0,
    volume,
    firstMs: state.firstEventTimeMs,
    lastMs: state.lastEventTimeMs,
    watermarkMs: state.watermarkMs,
    openRows: new Int32Array(symbols.length),
    openRowsVersion: -1,
  };
  for (let i = 0; i < count; i++) {
    if (onlyTable !== undefined) {
      if (i >= run.end) run.end = rememberIds(state, frame, symbols, run, i);
      run.next = i;
      onlyTable.addPlain(frame, symbols, run);
      nextActionMs = onlyTable.nextActionMs;
      trades += run.next - i;
      i = run.next;
      if (i === count) break;
    }
    const eventTimeMs = baseTimeMs + (timeOffsetMs[i] as number);
    const index = symbolIndex[i] as number;
    const isHeartbeat = index === heartbeatIndex;
    if (isHeartbeat && (flags[i] as number) & silentFlag) continue;
    if (eventTimeMs > latestMs) {
      rejectTrade(state, frame, record, firstIndex, i, 'event-time-too-far-ahead');
      continue;
    }
    // The trade's own time counts before its verdict: the same as being told the feed's time first.
    if (eventTimeMs - outOfOrdernessMs > run.watermarkMs && (isHeartbeat || (symbols[index] as number) >= 0)) {
      run.watermarkMs = eventTimeMs - outOfOrdernessMs;
      if (run.watermarkMs >= nextActionMs) {
        advanceWatermark(state, run.watermarkMs);
        nextActionMs = state.nextActionMs;
      }
    }
    if (isHeartbeat) {
      if ((flags[i] as number) & endFlag) {
        run.watermarkMs = Math.max(run.watermarkMs, closeAll(state, eventTimeMs));
        nextActionMs = state.nextActionMs;
      }
      continue;
    }
    const symbol = symbols[index] as number;
    if (symbol < 0) {
      rejectTrade(state, frame, record, firstIndex, i, 'wrong-bucket');
      continue;
    }
    const touches = touchesByIndex[conditionIndex[i] as number] as number;
    if (touches === 0) {
      state.counts.excluded++;
      continue;
    }
    if (eventTimeMs > run.lastMs) run.lastMs = eventTimeMs;
    if (eventTimeMs < run.firstMs) run.firstMs = eventTimeMs;
    trades++;
    // In front of `run.end` the ids are remembered already.
    if (hasIds && i >= run.end && isRepeat(state, frame, symbol, i, eventTimeMs, run.watermarkMs)) {
      state.counts.duplicates++;
      continue;
    }
    let isInBar = false;
    for (let t = 0; t < tables.length; t++) {
      const table = tables[t] as BarTable;
      if (table.add(symbol, eventTimeMs, price[i] as number, size[i] as number, touches, run.watermarkMs, sink)) isInBar = true;
      else state.outcome.late.push(lateTradeOf(table, frame, i, run.watermarkMs, positionOf(record, firstIndex + i)));
      if (table.nextActionMs < nextActionMs) nextActionMs = table.nextActionMs;
    }
    if (!isInBar) state.counts.lateEverywhere++;
    else if (touches & touchesVolume) addTo(volume, 0, size[i] as number);
  }
  state.counts.trades += trades - run.heartbeats;
  state.watermarkMs = run.watermarkMs;
  state.nextActionMs = nextActionMs;
  state.firstEventTimeMs = run.firstMs;
  state.lastEventTimeMs = run.lastMs;
}

/**
 * Remembers the ids of the trades from `from` on, as far as all are new. Returns the index of the first entry that is a repeat, or neither
 * a trade that counts nor a heartbeat: a repeat leaves no trace when it is met, so that entry may be asked again.
 */
function rememberIds(state: BucketState, frame: Frame, symbols: Int32Array, run: PlainRun, from: number): number {
  const { symbolIndex, timeOffsetMs, flags, baseTimeMs, count } = frame;
  const { outOfOrdernessMs, latestMs } = run;
  let { watermarkMs } = run;
  let i = from;
  for (; i < count; i++) {
    const index = symbolIndex[i] as number;
    const isHeartbeat = index === heartbeatIndex && flags[i] === 0;
    const symbol = index < symbols.length ? (symbols[index] as number) : -1;
    const eventTimeMs = baseTimeMs + (timeOffsetMs[i] as number);
    if ((symbol < 0 && !isHeartbeat) || eventTimeMs > latestMs) break;
    if (eventTimeMs - outOfOrdernessMs > watermarkMs) watermarkMs = eventTimeMs - outOfOrdernessMs;
    if (!isHeartbeat && isRepeat(state, frame, symbol, i, eventTimeMs, watermarkMs)) break;
  }
  return i;
}

/** The state's number of each of the frame's symbols; -1 for one of another bucket. */
function symbolsOf(state: BucketState, { symbols }: Frame): Int32Array {
  const known = symbols === state.frameSymbols ? state.frameSymbolNumbers : new Int32Array(0);
  if (known.length === symbols.length) return known;
  const numbers = new Int32Array(symbols.length);
  numbers.set(known);
  for (let index = known.length; index < symbols.length; index++) numbers[index] = numberOf(state, symbols[index] as string);
  state.frameSymbols = symbols;
  state.frameSymbolNumbers = numbers;
  return numbers;
}

function numberOf(state: BucketState, symbol: string): number {
  const known = state.symbolIds.get(symbol);
  if (known !== undefined) return known;
  return bucketOf(symbol, state.pipeline.bucketCount) === state.bucket ? state.addSymbol(symbol) : -1;
}

/**
 * The input is over: each interval closes its windows up to the one that holds this time. Returns the watermark that says so, the end of the
 * first of these: the next input may go on inside the longer ones.
 */
function closeAll(state: BucketState, eventTimeMs: number): number {
  const endsMs = state.tables.map((table) => {
    table.closedThroughMs = Math.max(table.closedThroughMs, table.endOf(eventTimeMs));
    return table.endOf(eventTimeMs);
  });
  const watermarkMs = Math.max(state.watermarkMs, Math.min(...endsMs));
  advanceWatermark(state, watermarkMs);
  return watermarkMs;
}

/** Closes windows in order of their end, the longer first where ends are equal, so that a strategy on the shorter one can see the longer. */
function advanceWatermark(state: BucketState, watermarkMs: number): void {
  state.isClosing = true;
  for (let table = nextToClose(state.tables, watermarkMs); table !== undefined; table = nextToClose(state.tables, watermarkMs)) {
    table.closeNext(state.sink);
  }
  state.isClosing = false;
  for (const table of state.tables) table.removeThrough(watermarkMs);
  state.setNextAction();
}

function nextToClose(tables: readonly BarTable[], watermarkMs: number): BarTable | undefined {
  let next: BarTable | undefined;
  for (const table of tables) {
    if (table.nextEndMs > Math.max(watermarkMs, table.closedThroughMs)) continue;
    const isSooner = next === undefined || table.nextEndMs < next.nextEndMs;
    if (isSooner || (table.nextEndMs === next?.nextEndMs && table.windowSizeMs > next.windowSizeMs)) next = table;
  }
  return next;
}

const keys = new Float64Array(2);

/**
 * Whether a trade of the symbol with this id has been in the same window, of several intervals in the one that ends last. So the verdict does
 * not depend on when the bucket was told the time; an id is forgotten when no trade can come into that window any more.
 */
function isRepeat(
  { tables, pipeline, tradeIds }: BucketState,
  { tradeIdNumber, tradeIdText }: Frame,
  symbol: number,
  i: number,
  eventTimeMs: number,
  watermarkMs: number,
): boolean {
  const number = tradeIdNumber === undefined ? Number.NaN : (tradeIdNumber[i] as number);
  const text = tradeIdText?.[i] ?? '';
  const isNumber = !Number.isNaN(number);
  if (!isNumber && text === '') return false;
  let endMs = Number.NEGATIVE_INFINITY;
  for (let t = 0; t < tables.length; t++) endMs = Math.max(endMs, (tables[t] as BarTable).endOf(eventTimeMs));
  const expiresMs = saturatingAdd(endMs, pipeline.allowedLatenessMs);
  if (expiresMs <= watermarkMs) return false;
  if (isNumber) return !tradeIds.add(symbol, number, 0, expiresMs, watermarkMs);
  textKeys(text, keys);
  return !tradeIds.add(symbol, keys[0] as number, keys[1] as number, expiresMs, watermarkMs);
}

function lateTradeOf(table: BarTable, frame: Frame, i: number, watermarkMs: number, position: string): LateTrade {
  const eventTimeMs = frame.baseTimeMs + (frame.timeOffsetMs[i] as number);
  const windowEndMs = table.endOf(eventTimeMs);
  return {
    symbol: frame.symbols[frame.symbolIndex[i] as number] as string,
    eventTimeMs,
    price: frame.price[i] as number,
    size: frame.size[i] as number,
    windowStartMs: windowEndMs - table.windowSizeMs,
    windowEndMs,
    reason: 'beyond-allowed-lateness',
    lateByMs: watermarkMs - windowEndMs,
    position,
  };
}

function rejectTrade(state: BucketState, frame: Frame, record: TapeRecord, firstIndex: number, i: number, reason: QuarantineReason): void {
  const symbol = frame.symbols[frame.symbolIndex[i] as number] ?? '';
  const eventTimeMs = frame.baseTimeMs + (frame.timeOffsetMs[i] as number);
  const sample = JSON.stringify({ symbol, eventTimeMs, price: frame.price[i], size: frame.size[i] });
  state.quarantine(positionOf(record, firstIndex + i), reason, sample.slice(0, sampleBytesMax));
}
