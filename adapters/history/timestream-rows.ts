import type { _Record, Dimension, MeasureValue, MeasureValueType } from '@aws-sdk/client-timestream-write';
import type { Bar, LateTrade } from '../../core/bar.ts';
import { intervalText } from '../../core/interval.ts';
import type { Quarantined } from '../../core/reasons.ts';
import type { Signal } from '../../core/signal.ts';
import type { TradeRow } from './trades.ts';

export type TimestreamTable = 'bars' | 'signals' | 'late' | 'trades' | 'quarantine';

/**
 * A row as Timestream has it: known by its dimensions, measure name and time. Two trades of one symbol in one millisecond differ in `entry`. It
 * cannot be in the measure name, of which a table takes 8,192.
 * @see https://docs.aws.amazon.com/timestream/latest/developerguide/ts-limits.html (November 2026)
 */
export type TimestreamRow = {
  readonly Dimensions: Dimension[];
  /** Unix milliseconds. */
  readonly Time: string;
  readonly Version: number;
  readonly MeasureValues: MeasureValue[];
};

export function rowOfBar({ symbol, windowStartMs, windowEndMs, rev, tradeCount, ...prices }: Bar): TimestreamRow {
  return {
    Dimensions: dimensions({ symbol, interval: intervalText(windowEndMs - windowStartMs) }),
    Time: String(windowStartMs),
    // The smallest version is 1.
    Version: rev + 1,
    MeasureValues: [...measures('BIGINT', { windowEndMs, tradeCount, rev }), ...measures('DOUBLE', prices)],
  };
}

export function rowOfSignal({
  signalId,
  symbol,
  strategy,
  windowStartMs,
  windowEndMs,
  price,
  confidence,
  ...texts
}: Signal): TimestreamRow {
  const { side, intent, reasons } = texts;
  return {
    Dimensions: dimensions({ symbol, strategy, signalId }),
    Time: String(windowEndMs),
    Version: 1,
    MeasureValues: [
      ...measures('BIGINT', { windowStartMs }),
      ...measures('DOUBLE', { price, confidence }),
      ...measures('VARCHAR', { side, intent, reasons: JSON.stringify(reasons) }),
    ],
  };
}

export function rowOfLate(late: LateTrade): TimestreamRow {
  const { symbol, eventTimeMs, price, size, windowStartMs, windowEndMs, reason, lateByMs, position } = late;
  return {
    Dimensions: dimensions({ symbol, position, interval: intervalText(windowEndMs - windowStartMs) }),
    Time: String(eventTimeMs),
    Version: 1,
    MeasureValues: [
      ...measures('BIGINT', { windowStartMs, windowEndMs, lateByMs }),
      ...measures('DOUBLE', { price, size }),
      ...measures('VARCHAR', { reason }),
    ],
  };
}

export function rowOfTrade({ symbol, eventTimeMs, price, size, tradeId, conditions, entry }: TradeRow): TimestreamRow {
  return {
    Dimensions: dimensions({ symbol, entry }),
    Time: String(eventTimeMs),
    Version: 1,
    MeasureValues: [
      ...measures('DOUBLE', { price, size }),
      ...measures('VARCHAR', { tradeId, conditions: conditions.length === 0 ? null : JSON.stringify(conditions) }),
    ],
  };
}

/**
 * What cannot be read has no time of its own, so that the row has the one at which it was set aside: a repeat is another row, and the query takes
 * the first. A row without a measure is invalid, and so is an empty text.
 */
export function rowOfQuarantined({ position, reason, sample }: Quarantined, nowMs: number): TimestreamRow {
  return {
    Dimensions: dimensions({ position, reason }),
    Time: String(nowMs),
    Version: 1,
    MeasureValues: [
      ...measures('BIGINT', { sampleCharacters: sample.length }),
      ...measures('VARCHAR', { sample: sample === '' ? null : sample }),
    ],
  };
}

/** Equal for two rows exactly when Timestream takes them for one. */
export function keyOf({ Dimensions, Time }: TimestreamRow): string {
  return JSON.stringify([Time, ...Dimensions.map(({ Value }) => Value)]);
}

/** What all rows of a call have in common is said once: a write is billed by its bytes. */
export function hoisted(table: TimestreamTable, rows: readonly TimestreamRow[]): { CommonAttributes: _Record; Records: _Record[] } {
  const [first] = rows as [TimestreamRow];
  const isShared = first.Dimensions.map(({ Value }, at) => rows.every(({ Dimensions }) => Dimensions[at]?.Value === Value));
  const isVersionShared = rows.every(({ Version }) => Version === first.Version);
  const common = first.Dimensions.filter((_, at) => isShared[at]);
  return {
    CommonAttributes: {
      MeasureName: table,
      MeasureValueType: 'MULTI',
      TimeUnit: 'MILLISECONDS',
      ...(common.length > 0 && { Dimensions: common }),
      ...(isVersionShared && { Version: first.Version }),
    },
    Records: rows.map(({ Dimensions, Version, ...rest }) => ({
      ...rest,
      Dimensions: Dimensions.filter((_, at) => !isShared[at]),
      ...(!isVersionShared && { Version }),
    })),
  };
}

function dimensions(values: Readonly<Record<string, string>>): Dimension[] {
  return Object.entries(values).map(([Name, Value]) => ({ Name, Value }));
}

/** Null is a measure that is not there. */
function measures(Type: MeasureValueType, values: Readonly<Record<string, string | number | null>>): MeasureValue[] {
  return Object.entries(values).flatMap(([Name, value]) => (value === null ? [] : { Name, Type, Value: String(value) }));
}
