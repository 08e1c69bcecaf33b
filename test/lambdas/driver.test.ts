import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SqliteTape } from '../../adapters/tape/sqlite-tape.ts';
import { type ConsumeEvent, makeConsumer } from '../../lambdas/consume-kinesis.ts';
import { Driver } from '../../local/driver.ts';
import { foldWhole } from '../core/support/facts.ts';
import { arrivalTimeMs, markets, policies, tapeOf } from '../core/support/market.ts';
import { pipelineWith } from '../core/support/pipelines.ts';
import type { StreamRecord } from '../core/support/stream.ts';
import { World } from './world.ts';

const windowSizeMs = 60_000;

describe('the driver', () => {
  it('gives what one fold gives, whenever it is asked to pump, whatever the limits, and when the handler fails now and then', async () => {
    const round = fc.record({
      records: fc.integer({ min: 1, max: 12 }),
      passesMs: fc.nat(40_000),
      ticks: fc.boolean(),
      fails: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        markets,
        policies,
        fc.array(round, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 9 }),
        async (trades, policy, rounds, recordsMax) => {
          // The trades from the future arrive in time here: with carried windows, each would give out a bar for every second of ten days.
          const pipeline = pipelineWith({ ...policy, emptyWindows: 'none', bucketCount: 4 });
          const tape = new SqliteTape(':memory:');
          const world = new World(pipeline);
          let failsNext = false;
          const handle = makeConsumer({ pipeline, checkpoints: world.checkpoints, history: world.history.writer });
          const handler = async (event: ConsumeEvent) => {
            const answer = await handle(event);
            if (!failsNext) return answer;
            failsNext = false;
            throw new Error('the answer is lost');
          };
          const driver = new Driver({ tape, handler, startAfter: '', windowSizeMs, recordsMax, bytesMax: 2_000 });
          const records = tapeOf(trades, { bucketCount: 4, entriesMax: 5 });
          let clockMs = arrivalTimeMs;
          for (let at = 0, i = 0; at < records.length; i++) {
            const { records: count, passesMs, ticks, fails } = rounds[i % rounds.length] as (typeof rounds)[number];
            clockMs += passesMs;
            append(tape, records.slice(at, at + count), clockMs);
            at += count;
            failsNext = fails;
            await driver.pump().catch(() => driver.pump());
            if (ticks) await driver.tick(clockMs).catch(() => driver.tick(clockMs));
            failsNext = false;
          }
          await driver.close();
          const stored = tape.shardIds().flatMap((shardId) => tape.read(shardId, '', { recordsMax: 1e6, bytesMax: 1e9 }));
          const { bars, signals, late, quarantined, counts } = foldWhole(
            pipeline,
            stored.toSorted((a, b) => Number(a.sequenceNumber) - Number(b.sequenceNumber)),
          );
          expect(await world.facts()).toEqual({ bars, signals, late, quarantined, counts });
          tape.close();
        },
      ),
      { numRuns: 40 },
    );
  });

  it('cuts windows by arrival time, ends each with a final invoke, and carries the state within', async () => {
    const { events, tape, driver } = watched();
    append(tape, [0, 1].map(record), 59_000);
    append(tape, [2].map(record), 60_000);
    await driver.pump();
    await driver.tick(119_999);
    expect(events.map(shortOf)).toEqual(['0–60: 2 records from {}', '0–60: final from {"n":1}', '60–120: 1 records from {}']);
    await driver.tick(120_000);
    append(tape, [3].map(record), 300_000);
    await driver.pump();
    await driver.close();
    await driver.close();
    expect(events.slice(3).map(shortOf)).toEqual([
      '60–120: final from {"n":3}',
      '300–360: 1 records from {}',
      '300–360: final from {"n":5}',
    ]);
  });

  it('does not go back to a window that is over when the clock is set back', async () => {
    const { events, tape, driver } = watched();
    for (const arrivalTimeMs of [120_000, 10_000]) {
      append(tape, [0].map(record), arrivalTimeMs);
      await driver.pump();
    }
    expect(events.map(shortOf)).toEqual(['120–180: 1 records from {}', '120–180: 1 records from {"n":1}']);
  });

  it('delivers the same event again when the handler has failed, final invokes too', async () => {
    const { events, tape, driver, failNext } = watched();
    append(tape, [0].map(record), 0);
    failNext();
    await expect(driver.pump()).rejects.toThrow('the world failed');
    await driver.pump();
    failNext();
    await expect(driver.close()).rejects.toThrow('the world failed');
    await driver.close();
    expect(events.map(shortOf)).toEqual([
      '0–60: 1 records from {}',
      '0–60: 1 records from {}',
      '0–60: final from {"n":2}',
      '0–60: final from {"n":2}',
    ]);
  });

  it('reads from where it is told to start, as many records and bytes at once as it may', async () => {
    const { events, tape } = watched();
    append(tape, [0, 1, 2, 3, 4].map(record), 0);
    const handler = async (event: ConsumeEvent) => {
      events.push(event);
      return { state: {}, batchItemFailures: [] as [] };
    };
    await new Driver({ tape, handler, startAfter: '2', windowSizeMs, recordsMax: 2 }).pump();
    await new Driver({ tape, handler, startAfter: '2', windowSizeMs, bytesMax: 1 }).pump();
    expect(events.map(({ Records }) => Records.map(({ kinesis }) => kinesis.sequenceNumber))).toEqual([
      ['3', '4'],
      ['5'],
      ['3'],
      ['4'],
      ['5'],
    ]);
  });
});

function watched() {
  const events: ConsumeEvent[] = [];
  const tape = new SqliteTape(':memory:');
  let fails = false;
  const handler = async (event: ConsumeEvent) => {
    events.push(event);
    if (fails) {
      fails = false;
      throw new Error('the world failed');
    }
    return { state: event.isFinalInvokeForWindow ? {} : ({ n: events.length } as object), batchItemFailures: [] as [] };
  };
  const failNext = () => {
    fails = true;
  };
  return { events, tape, driver: new Driver({ tape, handler, startAfter: '', windowSizeMs }), failNext };
}

function record(i: number): StreamRecord {
  return { sequenceNumber: '', partitionKey: '0', arrivalTimeMs: 0, data: Buffer.from(`record ${i}`) };
}

/** To two shards, by bucket. */
function append(tape: SqliteTape, records: readonly StreamRecord[], arrivalTimeMs: number): void {
  tape.append(
    records.map(({ partitionKey, data }) => ({ shardId: `shard-${Number(partitionKey) % 2}`, partitionKey, arrivalTimeMs, data })),
    [],
    [],
  );
}

function shortOf({ window, Records, state, isFinalInvokeForWindow }: ConsumeEvent): string {
  const seconds = (time = '') => Date.parse(time) / 1_000;
  const what = isFinalInvokeForWindow ? 'final' : `${Records.length} records`;
  return `${seconds(window?.start)}–${seconds(window?.end)}: ${what} from ${JSON.stringify(state)}`;
}
