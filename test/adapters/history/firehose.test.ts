import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FirehoseHistory } from '../../../adapters/history/firehose.ts';
import { BarBatch, type LateTrade } from '../../../core/bar.ts';
import { FakeFirehose } from './fake-firehose.ts';
import { signals } from './samples.ts';

const minuteMs = 60_000;
let fake: FakeFirehose;
let history: FirehoseHistory;
const waitsMs: number[] = [];

beforeAll(async () => {
  fake = await FakeFirehose.start();
  history = new FirehoseHistory({
    client: fake.client,
    barsStream: 'bars',
    signalsStream: 'signals',
    lateStream: 'late',
    wait: async (ms) => waitsMs.push(ms),
  });
});
beforeEach(() => {
  fake.reset();
  waitsMs.length = 0;
});
afterAll(() => fake.stop());

describe('a history by Firehose', () => {
  it('gives every row exactly once, whichever records fail in between, and says so when it could not', async () => {
    const verdicts = fc.array(fc.constantFrom(undefined, undefined, 'ServiceUnavailableException', 'InternalFailure'), {
      minLength: 1,
      maxLength: 9,
    });
    // A pattern of nothing but failures would never end.
    const patterns = verdicts.filter((pattern) => pattern.includes(undefined));
    let written = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(3_000), patterns, fc.nat(2), async (rows, pattern, cutCalls) => {
        let judged = 0;
        fake.reset({ judge: () => pattern[judged++ % pattern.length], failCall: (call) => (call <= cutCalls ? 'cut' : undefined) });
        const batch = barsOf(rows);
        const isWritten = await history.writeBars(batch).then(
          () => true,
          () => false,
        );
        const taken = sorted(fake.taken.get('bars') ?? []);
        const given = sorted([...batch]);
        if (isWritten) written++;
        if (isWritten) expect(taken).toEqual(given);
        else expect(new Set(taken).size).toBe(taken.length);
      }),
      { numRuns: 25 },
    );
    expect(written).toBeGreaterThan(12);
  });

  it('writes bars as the contract has them, null prices included', async () => {
    const bars = new BarBatch();
    bars.add('IBM', 0, minuteMs, Number.NaN, Number.NaN, Number.NaN, Number.NaN, 5, 500, 2, 1);
    await history.writeBars(bars);
    expect(fake.taken.get('bars')).toEqual([
      {
        symbol: 'IBM',
        windowStartMs: 0,
        windowEndMs: minuteMs,
        open: null,
        high: null,
        low: null,
        close: null,
        volume: 5,
        tradeCount: 2,
        vwap: 100,
        rev: 1,
      },
    ]);
  });

  it('writes late trades to a stream of their own', async () => {
    const late: LateTrade = {
      symbol: 'IBM',
      eventTimeMs: 5,
      price: 181.7,
      size: 5,
      windowStartMs: 0,
      windowEndMs: minuteMs,
      reason: 'beyond-allowed-lateness',
      lateByMs: 1_260_000,
      position: '17#3',
    };
    await history.writeLate([late]);
    expect([...fake.taken]).toEqual([['late', [late]]]);
  });

  it('writes signals to a stream of their own, reasons as a list', async () => {
    await history.writeSignals(signals);
    expect([...fake.taken]).toEqual([['signals', signals]]);
  });

  it('puts many rows into one record, and keeps to the limits of a call', async () => {
    await history.writeBars(barsOf(60_000));
    expect(fake.taken.get('bars')).toHaveLength(60_000);
    const records = fake.calls.flatMap((call) => call.records);
    expect(records.length).toBeLessThan(200);
    for (const { bytes } of fake.calls) expect(bytes).toBeLessThanOrEqual(4 * 1024 * 1024);
    expect(fake.calls.length).toBeGreaterThan(1);
  });

  it('does not call for nothing', async () => {
    await history.writeBars(new BarBatch());
    expect(fake.calls).toEqual([]);
  });

  it.each([
    ['ServiceUnavailableException', 500],
    ['ThrottlingException', 400],
    ['cut', 0],
  ])('tries a call again that failed by %s', async (type, status) => {
    fake.reset({ failCall: (call) => (call > 2 ? undefined : type === 'cut' ? 'cut' : { status, type }) });
    await history.writeBars(barsOf(3));
    expect(fake.taken.get('bars')).toHaveLength(3);
    expect(waitsMs).toHaveLength(2);
  });

  it('gives a batch back that is not taken after eight attempts, with the reason', async () => {
    fake.reset({ judge: () => 'ServiceUnavailableException' });
    await expect(history.writeBars(barsOf(3))).rejects.toMatchObject({
      code: 'history-failed',
      retryable: true,
      message: 'the delivery stream "bars" did not take 1 records in 8 attempts',
      cause: { message: 'ServiceUnavailableException: as told: ServiceUnavailableException' },
    });
    expect(fake.calls).toHaveLength(8);
  });

  it('does not try again what is refused', async () => {
    fake.reset({ failCall: () => ({ status: 400, type: 'ResourceNotFoundException' }) });
    await expect(history.writeBars(barsOf(3))).rejects.toThrow(
      'the delivery stream "bars" refused a batch; check its name and permissions',
    );
    expect(fake.calls).toHaveLength(1);
  });
});

function barsOf(count: number): BarBatch {
  const bars = new BarBatch();
  for (let i = 0; i < count; i++)
    bars.add(`S${i % 1500}`, i * minuteMs, (i + 1) * minuteMs, 100, 102.5, 99.25, 101, i, i * 100.5, i % 7, 0);
  return bars;
}

function sorted(rows: readonly unknown[]): string[] {
  return rows.map((row) => JSON.stringify(row)).sort();
}
