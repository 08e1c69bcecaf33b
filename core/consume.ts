import { assert } from './assert.ts';
import type { LateTrade } from './bar.ts';
import type { BarTable } from './bar-table.ts';
import { bucketOf } from './bucket.ts';
import { type BucketState, emptyOutcome, type Outcome, type ProducerState } from './bucket-state.ts';
import { touchesOf, touchesVolume } from './conditions.ts';
import { endFlag, type Frame, heartbeatIndex, silentFlag } from './frame.ts';
import { textKeys } from './id-set.ts';
import { type QuarantineReason, sampleBytesMax } from './reasons.ts';
import { addTo } from './sum.ts';
import { saturatingAdd } from './window.ts';

/** One record of the log, decoded: what could be read of it, and what could not. */
export type TapeRecord = {
  /** Decimal, without leading zeros; rises within a bucket. */
  readonly sequenceNumber: string;
  readonly arrivalTimeMs: number;
  readonly frames: readonly Frame[];
  readonly rejected: readonly RejectedPart[];
};

/** A frame or a trade in it that cannot be folded. */
export type RejectedPart = { readonly index: number; readonly reason: QuarantineReason; readonly sample: string };

/**
 * Folds records of one bucket, in log order, into its state, and returns what comes out.
 *
 * A record at or before the state's position changes nothing, so a repeated or re-sliced delivery gives nothing twice. The result is a
 * function of the state and the records alone; however the log is cut into calls, the same bars, signals and late trades come out in the same
 * order. Always: trades = trades in bars + late + duplicates, for each interval.
 */
export function advance(state: BucketState, records: Iterable<TapeRecord>, outcome: Outcome = emptyOutcome()): Outcome {
  state.outcome = outcome;
  for (const record of records) {
    if (!isAfter(record.sequenceNumber, state.sequenceNumber)) continue;
    state.position = record.sequenceNumber;
    for (const { index, reason, sample } of record.rejected) state.quarantine(positionOf(record, index), reason, sample);
    let firstIndex = 0;
    for (const frame of record.frames) {
      if (isNewFrame(state, frame)) foldFrame(state, frame, record, firstIndex);
      firstIndex += frame.count;
    }
    state.sequenceNumber = record.sequenceNumber;
  }
  for (const table of state.tables) {
    assert(
      state.counts.trades === table.tradeCount + table.lateCount + state.counts.duplicates,
      `trades in must equal trades in bars + late + duplicates, bucket ${state.bucket} has ${state.counts.trades} in, ${table.tradeCount} + ${table.lateCount} + ${state.counts.duplicates}`,
    );
  }
  return outcome;
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
  const producer = state.producers.get(frame.producerId);
  if (producer === undefined) {
    state.producers.set(frame.producerId, { last: frame.producerSequence, missing: new Set() });
    return true;
  }
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

function foldFrame(state: BucketState, frame: Frame, record: TapeRecord, firstIndex: number): void {
  const { outOfOrdernessMs, aheadMaxMs, conditions } = state.pipeline;
  const { symbolIndex, timeOffsetMs, price, size, conditionIndex, flags, baseTimeMs, tradeIdNumber, tradeIdText, count } = frame;
  const symbols = symbolsOf(state, frame);
  const touchesByIndex = frame.conditionSets.map((set) => touchesOf(set, conditions));
  const latestMs = record.arrivalTimeMs + aheadMaxMs;
  const hasIds = tradeIdNumber !== undefined || tradeIdText !== undefined;
  for (let i = 0; i < count; i++) {
    const eventTimeMs = baseTimeMs + (timeOffsetMs[i] as number);
    const index = symbolIndex[i] as number;
    if (index === heartbeatIndex && (flags[i] as number) & silentFlag) continue;
    if (eventTimeMs > latestMs) {
      rejectTrade(state, frame, record, firstIndex, i, 'event-time-too-far-ahead');
      continue;
    }
    if (index === heartbeatIndex) {
      foldHeartbeat(state, eventTimeMs, flags[i] as number);
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
    if (eventTimeMs > state.lastEventTimeMs) state.lastEventTimeMs = eventTimeMs;
    if (eventTimeMs < state.firstEventTimeMs) state.firstEventTimeMs = eventTimeMs;
    // The trade's own time counts before its verdict: the same as being told the feed's time first.
    if (eventTimeMs - outOfOrdernessMs > state.watermarkMs) advanceWatermark(state, eventTimeMs - outOfOrdernessMs);
    state.counts.trades++;
    if (hasIds && isRepeat(state, symbol, tradeIdNumber?.[i] ?? Number.NaN, tradeIdText?.[i] ?? '', eventTimeMs)) {
      state.counts.duplicates++;
      continue;
    }
    let isInBar = false;
    for (const table of state.tables) {
      if (table.add(symbol, eventTimeMs, price[i] as number, size[i] as number, touches, state.watermarkMs, state.sink)) isInBar = true;
      else state.outcome.late.push(lateTradeOf(state, table, frame, i, positionOf(record, firstIndex + i)));
      if (table.nextEndMs < state.nextActionMs || table.nextRemovalMs < state.nextActionMs) state.setNextAction();
    }
    if (isInBar) {
      if (touches & touchesVolume) addTo(state.volume, 0, size[i] as number);
    } else {
      state.counts.lateEverywhere++;
    }
  }
}

/** The state's number of each of the frame's symbols; -1 for one of another bucket. */
function symbolsOf(state: BucketState, frame: Frame): Int32Array {
  const numbers = new Int32Array(frame.symbols.length);
  for (let index = 0; index < numbers.length; index++) {
    const symbol = frame.symbols[index] as string;
    const known = state.symbolIds.get(symbol);
    if (known !== undefined) numbers[index] = known;
    else numbers[index] = bucketOf(symbol, state.pipeline.bucketCount) === state.bucket ? state.addSymbol(symbol) : -1;
  }
  return numbers;
}

function foldHeartbeat(state: BucketState, eventTimeMs: number, flags: number): void {
  const watermarkMs = eventTimeMs - state.pipeline.outOfOrdernessMs;
  if (watermarkMs > state.watermarkMs) advanceWatermark(state, watermarkMs);
  if ((flags & endFlag) === 0) return;
  let endMs = Number.NEGATIVE_INFINITY;
  for (const table of state.tables) endMs = Math.max(endMs, table.endOf(eventTimeMs));
  if (endMs > state.watermarkMs) advanceWatermark(state, endMs);
}

/** Closes windows in order of their end, the longer first where ends are equal, so that a strategy on the shorter one can see the longer. */
function advanceWatermark(state: BucketState, watermarkMs: number): void {
  state.watermarkMs = watermarkMs;
  if (watermarkMs < state.nextActionMs) return;
  state.isClosing = true;
  for (;;) {
    const table = nextToClose(state.tables);
    if (table.nextEndMs > watermarkMs) break;
    table.closeNext(state.sink);
  }
  state.isClosing = false;
  for (const table of state.tables) table.removeThrough(watermarkMs);
  state.setNextAction();
}

function nextToClose(tables: readonly BarTable[]): BarTable {
  let next = tables[0] as BarTable;
  for (const table of tables) {
    if (table.nextEndMs < next.nextEndMs || (table.nextEndMs === next.nextEndMs && table.windowSizeMs > next.windowSizeMs)) next = table;
  }
  return next;
}

const keys = new Float64Array(2);

/** An id is remembered until the last window that could count its trade twice is gone. */
function isRepeat(state: BucketState, symbol: number, tradeIdNumber: number, tradeIdText: string, eventTimeMs: number): boolean {
  if (Number.isNaN(tradeIdNumber) && tradeIdText === '') return false;
  let expiresMs = Number.NEGATIVE_INFINITY;
  for (const table of state.tables)
    expiresMs = Math.max(expiresMs, saturatingAdd(table.endOf(eventTimeMs), state.pipeline.allowedLatenessMs));
  if (expiresMs <= state.watermarkMs) return false;
  if (!Number.isNaN(tradeIdNumber)) return !state.tradeIds.add(symbol, tradeIdNumber, 0, expiresMs, state.watermarkMs);
  textKeys(tradeIdText, keys);
  return !state.tradeIds.add(symbol, keys[0] as number, keys[1] as number, expiresMs, state.watermarkMs);
}

function lateTradeOf(state: BucketState, table: BarTable, frame: Frame, i: number, position: string): LateTrade {
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
    lateByMs: state.watermarkMs - windowEndMs,
    position,
  };
}

function rejectTrade(state: BucketState, frame: Frame, record: TapeRecord, firstIndex: number, i: number, reason: QuarantineReason): void {
  const symbol = frame.symbols[frame.symbolIndex[i] as number] ?? '';
  const eventTimeMs = frame.baseTimeMs + (frame.timeOffsetMs[i] as number);
  const sample = JSON.stringify({ symbol, eventTimeMs, price: frame.price[i], size: frame.size[i] });
  state.quarantine(positionOf(record, firstIndex + i), reason, sample.slice(0, sampleBytesMax));
}
