import { Metrics } from '@aws-lambda-powertools/metrics';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { MemoryCheckpoints } from '../../../adapters/stores/memory.ts';
import { defineTapeline, pipelineOptionsOf } from '../../../core/config.ts';
import { pipelineOf } from '../../../core/pipeline.ts';
import { type BatchReport, makeConsumer } from '../../../lambdas/consume-kinesis.ts';
import { addBatch, batchLineOf } from '../../../lambdas/entry/consume-report.ts';
import { publishDelayMsOf, publishLineOf } from '../../../lambdas/entry/publish-report.ts';
import { MemoryHistory } from '../../core/support/memory-history.ts';
import { eventOf } from '../../core/support/stream.ts';

const minuteMs = 60_000;
const startMs = Date.UTC(2024, 0, 2, 14, 30);

afterEach(() => vi.restoreAllMocks());

describe('the report of a batch', () => {
  it('counts what the batch brought: trades, bars, late, quarantined by reason, and how far the watermark is behind', async () => {
    const [first, second] = await reportsOf([
      [trade(0), trade(1_000, '7'), trade(1_000, '7'), { symbol: 'IBM', eventTimeMs: startMs, price: -1, size: 5 }],
      [trade(10 * minuteMs), trade(0)],
    ]);
    expect(batchLineOf(first as BatchReport)).toEqual({
      records: 1,
      trades: 3,
      duplicates: 1,
      bars: 0,
      signals: 0,
      late: 0,
      quarantined: 1,
      checkpoints: 1,
      stateBytes: expect.any(Number),
      watermarkLagMs: 500 + 2_000,
      quarantinedByReason: { 'price-not-positive': 1 },
    });
    expect(batchLineOf(second as BatchReport)).toMatchObject({
      records: 1,
      trades: 2,
      duplicates: 0,
      bars: 1,
      late: 1,
      quarantinedByReason: {},
    });
    expect(first?.stateBytes).toBeGreaterThan(100);
  });

  it('is not given for a batch that failed', async () => {
    const reports: BatchReport[] = [];
    const writeQuarantined = () => Promise.reject(new Error('no history'));
    const history = { ...new MemoryHistory().writer, writeQuarantined };
    const consume = makeConsumer({ pipeline, checkpoints: new MemoryCheckpoints(), history, report: (batch) => reports.push(batch) });
    await expect(consume(eventOf([recordOf(1, [{ symbol: 'IBM' }])]))).rejects.toThrow('no history');
    expect(reports).toEqual([]);
  });

  it('counts what travels in the window as state, and says nothing of a lag where no trade was', async () => {
    const reports: BatchReport[] = [];
    const consume = consumerInto(reports);
    const { state } = await consume(eventOf([recordOf(1, [trade(0)])], { state: {} }));
    await consume(eventOf([], { state }));
    expect(reports.map(({ checkpoints }) => checkpoints)).toEqual([0, 0]);
    expect(reports[0]?.stateBytes).toBeGreaterThan(100);
    expect(reports[1]?.stateBytes).toBe(reports[0]?.stateBytes);
    expect(reports[1]?.watermarkLagMs).toBeUndefined();
    expect(Object.keys(batchLineOf(reports[1] as BatchReport))).not.toContain('watermarkLagMs');
  });

  it('becomes metrics: what happened once, and the quarantined once more by reason', async () => {
    const lines: Record<string, unknown>[] = [];
    vi.spyOn(process.stdout, 'write').mockImplementation((line) => {
      lines.push(JSON.parse(String(line)));
      return true;
    });
    const metrics = new Metrics({ namespace: 'Tapeline', serviceName: 'Tapeline/consume' });
    const [report] = await reportsOf([[trade(0), { symbol: 'IBM', eventTimeMs: startMs, price: -1, size: 5 }]]);
    addBatch(metrics, batchLineOf(report as BatchReport));
    metrics.publishStoredMetrics();
    vi.restoreAllMocks();
    const [byReason, batch] = lines as [Record<string, unknown>, Record<string, unknown>];
    expect(lines).toHaveLength(2);
    expect(byReason).toMatchObject({ quarantined: 1, reason: 'price-not-positive', service: 'Tapeline/consume' });
    expect(batch).toMatchObject({ service: 'Tapeline/consume', trades: 1, quarantined: 1, watermarkLagMs: expect.any(Number) });
    // What is nothing is not sent, nor what services count by themselves.
    for (const absent of ['reason', 'bars', 'late', 'signals', 'duplicates', 'records', 'checkpoints'])
      expect(batch).not.toHaveProperty(absent);
  });
});

describe('the report of what was published', () => {
  it('counts, and shows the first problems', () => {
    const unpublished = { kind: 'unpublished', signalId: '1_x_IBM_1m_0', code: 'ThrottlingException', message: 'slow down' } as const;
    const badItem = { kind: 'bad-item', item: 'outbox#1#0/0', sequenceNumber: '5', reason: 'not JSON' } as const;
    const refused = { ...unpublished, kind: 'refused', code: 'MalformedDetail' } as const;
    const facts = [badItem, refused, { kind: 'published', events: 7 } as const, ...Array.from({ length: 9 }, () => unpublished)];
    const line = publishLineOf(facts);
    expect(line).toMatchObject({ published: 7, unpublished: 9, refused: 1, badItems: 1 });
    expect(line.problems).toHaveLength(5);
    expect(line.problems[0]).toEqual(badItem);
  });

  it('measures from the oldest commit of the batch', () => {
    const recordAt = (ApproximateCreationDateTime: number) => ({ eventName: 'INSERT' as const, dynamodb: { ApproximateCreationDateTime } });
    expect(publishDelayMsOf({ Records: [recordAt(102), recordAt(100), recordAt(101)] }, 103_250)).toBe(3_250);
    expect(publishDelayMsOf({ Records: [recordAt(104)] }, 103_250)).toBe(0);
    expect(publishDelayMsOf({ Records: [{ eventName: 'INSERT', dynamodb: {} }] }, 103_250)).toBeUndefined();
  });
});

const pipeline = pipelineOf(pipelineOptionsOf(defineTapeline({ interval: '1m', buckets: 1 })));

function consumerInto(reports: BatchReport[]) {
  return makeConsumer({
    pipeline,
    checkpoints: new MemoryCheckpoints(),
    history: new MemoryHistory().writer,
    report: (batch) => reports.push(batch),
  });
}

/** The reports of batches of one record each. */
async function reportsOf(batches: readonly (readonly object[])[]): Promise<BatchReport[]> {
  const reports: BatchReport[] = [];
  const consume = consumerInto(reports);
  for (const [i, trades] of batches.entries()) await consume(eventOf([recordOf(i + 1, trades)]));
  return reports;
}

function trade(afterMs: number, tradeId?: string): object {
  return { symbol: 'IBM', eventTimeMs: startMs + afterMs, price: 100, size: 5, ...(tradeId !== undefined && { tradeId }) };
}

/** It arrives half a second after its last trade that has a time. */
function recordOf(sequenceNumber: number, trades: readonly object[]) {
  const timesMs = trades.map((trade) =>
    'eventTimeMs' in trade && 'price' in trade && (trade.price as number) > 0 ? (trade.eventTimeMs as number) : 0,
  );
  return {
    sequenceNumber: String(sequenceNumber),
    partitionKey: '0',
    arrivalTimeMs: Math.max(...timesMs) + 500,
    data: Buffer.from(trades.map((trade) => JSON.stringify(trade)).join('\n')),
  };
}
