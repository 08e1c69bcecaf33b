import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TradeRow } from '../../adapters/history/trades.ts';
import { bucketOf } from '../../core/bucket.ts';
import type { Trade } from '../../core/trade.ts';
import { type HistoryReport, makeHistoryWriter } from '../../lambdas/history.ts';
import { makeTradeTransform, type TransformEvent, type TransformReport } from '../../lambdas/history-transform.ts';
import { aheadMaxMs, arrivalTimeMs, markets, tapeOf } from '../core/support/market.ts';
import { eventOf, slicesOf, type StreamRecord } from '../core/support/stream.ts';

const bucketCount = 3;
const pipeline = { bucketCount, aheadMaxMs };
const latestMs = arrivalTimeMs + aheadMaxMs;

/** A tape as it may come: packed frames of our feed, JSON of anybody's, and records that are no frames at all, in any mixture. */
const tapes = fc
  .tuple(
    markets,
    markets,
    fc.array(fc.constantFrom('garbage', 'cut', 'changed', 'of another bucket', 'newer'), { maxLength: 4 }),
    fc.nat(40),
  )
  .map(([packed, json, bad, at]) => {
    const good = [...tapeOf(packed, { bucketCount, entriesMax: 8 }), ...json.map(jsonRecord)];
    const spoilt = bad.map((how) => spoiltRecord(how));
    const records = [...good.slice(0, at), ...spoilt, ...good.slice(at)].map((record, i) => ({
      ...record,
      sequenceNumber: String(100 + i),
    }));
    const trades = [...packed, ...json].filter(({ eventTimeMs }) => eventTimeMs <= latestMs);
    return { records, trades, bad: records.filter((_, i) => i >= Math.min(at, good.length) && i < Math.min(at, good.length) + bad.length) };
  });

describe('the history writer', () => {
  it('keeps exactly the trades that the tape holds, each under a name of its own, however the tape is cut and repeated', async () => {
    await fc.assert(
      fc.asyncProperty(tapes, fc.array(fc.nat(60)), async ({ records, trades }, cuts) => {
        const kept = new Map<string, TradeRow>();
        let given = 0;
        const reports: HistoryReport[] = [];
        const writeTrades = async (rows: Iterable<TradeRow>) => {
          for (const row of rows) {
            given++;
            kept.set(row.entry, row);
          }
        };
        const write = makeHistoryWriter({ pipeline, history: { writeTrades }, report: (batch) => reports.push(batch) });
        for (const slice of slicesOf(records, cuts)) {
          await write(eventOf(slice));
          await write(eventOf(slice));
        }
        expect(given).toBe(2 * trades.length);
        expect(reports.reduce((sum, batch) => sum + batch.trades, 0)).toBe(given);
        expect(sorted([...kept.values()])).toEqual(sorted(trades.map(rowOf)));
      }),
      { numRuns: 60 },
    );
  });

  it('names a trade by its frame, so that a frame that was put twice is no second trade', async () => {
    const record = frameOf([trade]);
    const entries: string[] = [];
    const writeTrades = async (rows: Iterable<TradeRow>) => {
      for (const { entry } of rows) entries.push(entry);
    };
    await makeHistoryWriter({ pipeline, history: { writeTrades } })(eventOf([record, { ...record, sequenceNumber: '999' }]));
    expect(entries[0]).toMatch(/^feed\/\d\/1#0$/);
    expect(entries[1]).toBe(entries[0]);
  });

  it('gives the batch back when the history fails', async () => {
    const history = { writeTrades: () => Promise.reject(new Error('throttled')) };
    await expect(makeHistoryWriter({ pipeline, history })(eventOf([jsonRecord(trade)]))).rejects.toThrow('throttled');
  });
});

describe('the transformation of frames for Firehose', () => {
  it('gives exactly the trades that the frames hold, and fails what it cannot read alone', async () => {
    await fc.assert(
      fc.asyncProperty(tapes, async ({ records, trades, bad }) => {
        const reports: TransformReport[] = [];
        const { records: answer } = await makeTradeTransform({ pipeline, report: (batch) => reports.push(batch) })(
          transformEventOf(records),
        );
        expect(answer.map(({ recordId }) => recordId)).toEqual(records.map(({ sequenceNumber }) => `id-${sequenceNumber}`));
        const rows = answer.flatMap((record) => (record.result === 'Ok' ? documentsIn(record.data) : []));
        expect(sorted(rows)).toEqual(sorted(trades.map(rowOf)));
        const failed = answer.flatMap(({ recordId, result }) => (result === 'ProcessingFailed' ? recordId : []));
        expect(failed).toEqual(bad.map(({ sequenceNumber }) => `id-${sequenceNumber}`));
        expect(reports).toEqual([expect.objectContaining({ records: records.length, trades: trades.length })]);
        expect(reports[0]?.failed.map(({ sequenceNumber }) => sequenceNumber)).toEqual(bad.map(({ sequenceNumber }) => sequenceNumber));
      }),
      { numRuns: 60 },
    );
  });

  it('drops a frame of heartbeats, and leaves out the bad trade among good ones', async () => {
    const heartbeat = jsonOf('{"heartbeatMs":1704205800000}');
    const mixed = jsonOf(`${JSON.stringify(trade)}\n{"symbol":"IBM","eventTimeMs":1,"price":-1,"size":5}`);
    const { records } = await makeTradeTransform({ pipeline })(transformEventOf([heartbeat, mixed]));
    expect(records).toEqual([
      { recordId: 'id-1', result: 'Dropped' },
      { recordId: 'id-1', result: 'Ok', data: expect.any(String) },
    ]);
    expect(documentsIn((records[1] as { data: string }).data)).toEqual([{ ...rowOf(trade), entry: '1#0' }]);
  });

  it('takes the largest frame of our own feed', async () => {
    const many = Array.from({ length: 16_384 }, (_, i) => ({
      ...trade,
      eventTimeMs: trade.eventTimeMs + i,
      tradeId: String(10_000_000 + i),
      conditions: ['@', 'F', 'I'],
    }));
    const records = tapeOf(many, { bucketCount, entriesMax: 16_384 });
    const { records: answer } = await makeTradeTransform({ pipeline })(transformEventOf(records));
    expect(answer.flatMap((record) => (record.result === 'Ok' ? documentsIn(record.data) : []))).toHaveLength(16_384);
    expect(JSON.stringify(answer).length).toBeLessThan(6_000_000);
  });

  it('says so of a frame whose trades outgrow what Lambda may answer, and gives those before and behind it', async () => {
    const huge = Array.from({ length: 40_000 }, (_, i) => ({ ...trade, eventTimeMs: trade.eventTimeMs + i, conditions: ['@', 'F', 'I'] }));
    const frame = frameOf(huge, 50_000);
    const reports: TransformReport[] = [];
    const transform = makeTradeTransform({ pipeline, report: (batch) => reports.push(batch) });
    const before = { ...jsonRecord(trade), sequenceNumber: '1' };
    const { records } = await transform(transformEventOf([before, { ...frame, sequenceNumber: '2' }, { ...before, sequenceNumber: '3' }]));
    expect(records.map(({ result }) => result)).toEqual(['Ok', 'ProcessingFailed', 'Ok']);
    expect(reports[0]?.failed).toEqual([{ sequenceNumber: '2', reason: 'answer-too-large' }]);
    expect(JSON.stringify(records).length).toBeLessThan(6_000_000);
  });
});

const trade: Trade = { symbol: 'IBM', eventTimeMs: 1_704_205_800_000, price: 181.85, size: 100 };

/** The one frame that holds these trades of one symbol; the others only tell the time. */
function frameOf(trades: readonly Trade[], entriesMax = 16): StreamRecord {
  const records = tapeOf(trades, { bucketCount, entriesMax });
  return records.toSorted((a, b) => b.data.length - a.data.length)[0] as StreamRecord;
}

function jsonRecord(trade: Trade): StreamRecord {
  return { ...jsonOf(JSON.stringify(trade)), partitionKey: trade.symbol };
}

function jsonOf(text: string): StreamRecord {
  return { sequenceNumber: '1', partitionKey: 'IBM', arrivalTimeMs, data: Buffer.from(text) };
}

function spoiltRecord(how: string): StreamRecord {
  const record = frameOf([trade]);
  const data = Buffer.from(record.data);
  if (how === 'garbage') return jsonOf('no trade at all');
  if (how === 'cut') return { ...record, data: data.subarray(0, data.length - 3) };
  if (how === 'of another bucket') return { ...record, partitionKey: String((bucketOf('IBM', bucketCount) + 1) % bucketCount) };
  if (how === 'newer') data[4] = 2;
  else data[50] = (data[50] as number) ^ 1;
  return { ...record, data };
}

function transformEventOf(records: readonly StreamRecord[]): TransformEvent {
  return {
    records: records.map(({ sequenceNumber, partitionKey, data }) => ({
      recordId: `id-${sequenceNumber}`,
      data: Buffer.from(data).toString('base64'),
      kinesisRecordMetadata: { sequenceNumber, partitionKey, approximateArrivalTimestamp: arrivalTimeMs },
    })),
  };
}

/** As Firehose reads them: one document behind the other. What is not there is null in the table, and an empty list in the view over it. */
function documentsIn(data: string): object[] {
  const text = Buffer.from(data, 'base64').toString();
  expect(text.endsWith('\n')).toBe(true);
  return text
    .trimEnd()
    .split('\n')
    .map((line) => ({ tradeId: null, conditions: [], ...JSON.parse(line) }));
}

function rowOf({ tradeId, conditions = [], ...trade }: Trade): Omit<TradeRow, 'entry'> {
  return { ...trade, tradeId: tradeId ?? null, conditions };
}

/** Without their names, which are checked by themselves. */
function sorted(rows: readonly object[]): string[] {
  return rows.map((row) => JSON.stringify(Object.entries({ ...row, entry: null }).sort(([a], [b]) => (a < b ? -1 : 1)))).sort();
}
