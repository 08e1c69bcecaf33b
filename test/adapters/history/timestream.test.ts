import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type RefusedRow, TimestreamHistory } from '../../../adapters/history/timestream.ts';
import { withTables } from '../../../adapters/history/timestream-tables.ts';
import type { TradeRow } from '../../../adapters/history/trades.ts';
import { type Bar, BarBatch, type LateTrade } from '../../../core/bar.ts';
import type { Quarantined } from '../../../core/reasons.ts';
import type { Signal } from '../../../core/signal.ts';
import { FakeTimestream, type StoredRow } from './fake-timestream.ts';
import { quarantineContract, writingContract } from './writing-contract.ts';

const minuteMs = 60_000;
let nowMs = 1_704_205_800_000;
let fake: FakeTimestream;
let history: TimestreamHistory;
const waitsMs: number[] = [];
const refused: RefusedRow[] = [];

beforeAll(async () => {
  fake = await FakeTimestream.start();
  history = new TimestreamHistory({
    client: fake.client,
    database: 'tapeline',
    keepRefused: async (rows) => void refused.push(...rows),
    wait: async (ms) => waitsMs.push(ms),
    now: () => ++nowMs,
  });
});
beforeEach(() => {
  fake.reset();
  waitsMs.length = 0;
  refused.length = 0;
});
afterAll(() => fake.stop());

writingContract('Timestream', async (use) => {
  fake.reset();
  const kept = {
    bars: async () => fake.rowsOf('bars').map(barOf),
    signals: async () => fake.rowsOf('signals').map(signalOf),
    late: async () => fake.rowsOf('late').map(lateOf),
  };
  await use({ writer: history, kept });
  expect(refused).toEqual([]);
});

quarantineContract('Timestream', async (use) => {
  fake.reset();
  await use(history, async () => quarantineIn(fake.rowsOf('quarantine')));
  expect(fake.rowsOf('quarantine')).toHaveLength(5);
  expect(refused).toEqual([]);
});

/** What the query of the table gives, which is of SQL that DuckDB has too. */
async function quarantineIn(stored: readonly StoredRow[]): Promise<Quarantined[]> {
  const connection = await (await DuckDBInstance.create()).connect();
  await connection.run(
    `CREATE SCHEMA "tapeline"; CREATE TABLE "tapeline"."quarantine" (position TEXT, reason TEXT, sample TEXT, time BIGINT)`,
  );
  for (const { time, dimensions, measures } of stored) {
    const values = [dimensions['position'] ?? null, dimensions['reason'] ?? null, measures['sample'] ?? null, time];
    await connection.run('INSERT INTO "tapeline"."quarantine" VALUES ($1, $2, $3, $4)', values);
  }
  const answer = await connection.runAndReadAll(withTables('SELECT position, reason, sample FROM quarantine', 'tapeline'));
  connection.closeSync();
  return answer.getRowObjectsJson() as Quarantined[];
}

describe('trades in Timestream', () => {
  it('are a row each: two of one symbol in one millisecond are two, and a repeat is none', async () => {
    const trades = [tradeOf(1, { entry: 'feed/3/17#0' }), tradeOf(1, { entry: 'feed/3/17#1' })];
    for (let repeat = 0; repeat < 2; repeat++) await history.writeTrades(trades);
    expect(fake.rowsOf('trades').map(({ time, dimensions }) => [time, dimensions['entry']])).toEqual([
      [1, 'feed/3/17#0'],
      [1, 'feed/3/17#1'],
    ]);
  });

  it('say what is known of them, and no more', async () => {
    const known = { tradeId: '17', conditions: ['@', 'F'], price: 5e-8, size: 0.30000000000000004 };
    await history.writeTrades([tradeOf(1, known), tradeOf(2)]);
    expect(fake.rowsOf('trades').map(({ measures }) => measures)).toEqual([
      { price: '5e-8', size: '0.30000000000000004', tradeId: '17', conditions: '["@","F"]' },
      { price: '100.25', size: '5' },
    ]);
  });

  it('go 100 to a call, with what they share said once', async () => {
    await history.writeTrades(Array.from({ length: 250 }, (_, i) => tradeOf(i)));
    expect(fake.calls.map(({ records }) => records.length).sort()).toEqual([100, 100, 50]);
    for (const { common, records } of fake.calls) {
      expect(common).toEqual({
        MeasureName: 'trades',
        MeasureValueType: 'MULTI',
        TimeUnit: 'MILLISECONDS',
        Dimensions: [{ Name: 'symbol', Value: 'IBM' }],
        Version: 1,
      });
      for (const record of records) expect(Object.keys(record).sort()).toEqual(['Dimensions', 'MeasureValues', 'Time']);
    }
  });
});

describe('a bar in Timestream', () => {
  it('stands in its highest revision, in whatever order they come', async () => {
    for (const rev of [1, 0, 2, 2]) await history.writeBars(barsOf(3, rev));
    expect(fake.rowsOf('bars').map(({ version, measures }) => [version, measures['rev']])).toEqual(Array(3).fill([3, '2']));
    expect(refused).toEqual([]);
  });

  it('is sent once where it closed and was corrected in one batch', async () => {
    const bars = barsOf(1, 0);
    bars.add('IBM', 0, minuteMs, 1, 2, 0.5, 1.5, 10, 15, 3, 1);
    await history.writeBars(bars);
    expect(fake.calls.map(({ records }) => records.length)).toEqual([1]);
    expect(fake.rowsOf('bars').map(({ version }) => version)).toEqual([2]);
  });
});

describe('what Timestream does not take', () => {
  it('is kept aside alone, and every other row is stored once, whichever rows are bad and whichever calls fail', async () => {
    const badness = fc.constantFrom('good', 'good', 'good', 'good', 'too old', 'too far ahead', 'too large', 'invalid');
    const failures = fc.array(fc.constantFrom(undefined, undefined, 'ThrottlingException', 'InternalServerException', 'cut'), {
      // One call more is given up after eight.
      maxLength: 7,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(badness, { maxLength: 330 }), failures, async (rows, pattern) => {
        refused.length = 0;
        fake.reset({
          fromMs: 0,
          toMs: 1_000_000,
          isInvalid: ({ dimensions }) => dimensions['symbol'] === 'BAD',
          failCall: failing(pattern),
        });
        const trades = rows.map((bad, i) => {
          if (bad === 'too old') return tradeOf(-1 - i);
          if (bad === 'too far ahead') return tradeOf(1_000_001 + i);
          if (bad === 'too large') return tradeOf(i, { conditions: ['x'.repeat(2_048)] });
          return tradeOf(i, bad === 'invalid' ? { symbol: 'BAD' } : {});
        });
        await history.writeTrades(trades);
        const entries = (isGood: boolean) => trades.flatMap(({ entry }, i) => ((rows[i] === 'good') === isGood ? entry : [])).sort();
        expect(
          fake
            .rowsOf('trades')
            .map(({ dimensions }) => dimensions['entry'])
            .sort(),
        ).toEqual(entries(true));
        expect(refused.map(({ row }) => row.Dimensions.find(({ Name }) => Name === 'entry')?.Value).sort()).toEqual(entries(false));
      }),
      { numRuns: 40 },
    );
  });

  it('says why in its own words', async () => {
    fake.reset({ fromMs: 0 });
    await history.writeTrades([tradeOf(-1), tradeOf(1), tradeOf(2, { symbol: '' })]);
    expect(refused).toEqual(
      [
        expect.objectContaining({ table: 'trades', reason: 'a record is invalid', row: expect.objectContaining({ Time: '2' }) }),
        expect.objectContaining({
          table: 'trades',
          reason: expect.stringContaining('outside the time range'),
          row: expect.objectContaining({ Time: '-1' }),
        }),
      ].toReversed(),
    );
    expect(fake.rowsOf('trades')).toHaveLength(1);
  });

  it('is a row with other values under a version that is there already: another deployment writes to this table', async () => {
    await history.writeTrades([tradeOf(1)]);
    await history.writeTrades([tradeOf(1, { price: 7 })]);
    expect(fake.rowsOf('trades').map(({ measures }) => measures['price'])).toEqual(['100.25']);
    expect(refused).toEqual([expect.objectContaining({ reason: expect.stringContaining('already exists') })]);
  });

  it('fails the write where it cannot be kept aside', async () => {
    fake.reset({ fromMs: 0 });
    const keepRefused = () => Promise.reject(new Error('no bucket'));
    await expect(
      new TimestreamHistory({ client: fake.client, database: 'tapeline', keepRefused }).writeTrades([tradeOf(-1)]),
    ).rejects.toThrow('no bucket');
  });
});

describe('a write to Timestream', () => {
  it.each([
    ['ThrottlingException', 400],
    ['InternalServerException', 500],
    ['InvalidEndpointException', 421],
    ['cut', 0],
  ])('is tried again after %s', async (type, status) => {
    fake.reset({ failCall: (call) => (call > 2 ? undefined : type === 'cut' ? 'cut' : { status, type }) });
    await history.writeBars(barsOf(3));
    expect(fake.rowsOf('bars')).toHaveLength(3);
    expect(waitsMs).toHaveLength(2);
  });

  it('is given back after eight attempts, with the reason', async () => {
    fake.reset({ failCall: () => ({ status: 400, type: 'ThrottlingException' }) });
    await expect(history.writeBars(barsOf(3))).rejects.toMatchObject({
      code: 'history-failed',
      retryable: true,
      message: 'the table "bars" did not take 3 rows in 8 attempts',
      cause: { name: 'ThrottlingException' },
    });
    expect(fake.calls).toHaveLength(8);
  });

  it.each(['AccessDeniedException', 'ResourceNotFoundException'])('is not tried again after %s', async (type) => {
    fake.reset({ failCall: () => ({ status: 400, type }) });
    await expect(history.writeBars(barsOf(3))).rejects.toThrow(
      `Timestream refused to write to "tapeline"."bars" (${type}); check that it is there and may be written to`,
    );
    expect(fake.calls).toHaveLength(1);
  });

  it('does not call for nothing', async () => {
    await history.writeTrades([]);
    await history.writeBars(new BarBatch());
    expect(fake.calls).toEqual([]);
  });
});

describe('the fake', () => {
  it('refuses a call of 101 rows, as the service does', async () => {
    const { WriteRecordsCommand } = await import('@aws-sdk/client-timestream-write');
    const Records = Array.from({ length: 101 }, (_, i) => ({ Time: String(i), MeasureName: 'trades', MeasureValue: '1' }));
    await expect(fake.client.send(new WriteRecordsCommand({ DatabaseName: 'd', TableName: 't', Records }))).rejects.toMatchObject({
      name: 'ValidationException',
    });
  });
});

function failing(pattern: readonly (string | undefined)[]) {
  return (call: number) => {
    const type = pattern[call - 1];
    return type === undefined || type === 'cut' ? type : { status: type === 'InternalServerException' ? 500 : 400, type };
  };
}

function tradeOf(eventTimeMs: number, more: Partial<TradeRow> = {}): TradeRow {
  return { symbol: 'IBM', eventTimeMs, price: 100.25, size: 5, tradeId: null, conditions: [], entry: `feed/0/1#${eventTimeMs}`, ...more };
}

function barsOf(count: number, rev = 0): BarBatch {
  const bars = new BarBatch();
  for (let i = 0; i < count; i++) bars.add('IBM', i * minuteMs, (i + 1) * minuteMs, 100, 102.5, 99.25, 101 + rev, 10, 1_000, 7, rev);
  return bars;
}

function barOf({ time, dimensions, measures }: StoredRow): Bar {
  const nullable = (name: string) => (measures[name] === undefined ? null : Number(measures[name]));
  return {
    symbol: dimensions['symbol'] as string,
    windowStartMs: time,
    windowEndMs: Number(measures['windowEndMs']),
    open: nullable('open'),
    high: nullable('high'),
    low: nullable('low'),
    close: nullable('close'),
    volume: Number(measures['volume']),
    tradeCount: Number(measures['tradeCount']),
    vwap: nullable('vwap'),
    rev: Number(measures['rev']),
  };
}

function signalOf({ time, dimensions, measures }: StoredRow): Signal {
  const { signalId, symbol, strategy } = dimensions as Record<string, string>;
  const { side, intent, windowStartMs, price, confidence, reasons } = measures as Record<string, string>;
  return {
    signalId,
    symbol,
    strategy,
    side,
    intent,
    windowStartMs: Number(windowStartMs),
    windowEndMs: time,
    price: Number(price),
    confidence: Number(confidence),
    reasons: JSON.parse(reasons as string),
  } as Signal;
}

function lateOf({ time, dimensions, measures }: StoredRow): LateTrade {
  const number = (name: string) => Number(measures[name]);
  return {
    symbol: dimensions['symbol'] as string,
    eventTimeMs: time,
    price: number('price'),
    size: number('size'),
    windowStartMs: number('windowStartMs'),
    windowEndMs: number('windowEndMs'),
    reason: measures['reason'] as LateTrade['reason'],
    lateByMs: number('lateByMs'),
    position: dimensions['position'] as string,
  };
}
