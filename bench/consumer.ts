import { encodePacked } from '../adapters/frames/packed.ts';
import type { Checkpoint, Commit } from '../adapters/stores/checkpoints.ts';
import { MemoryCheckpoints } from '../adapters/stores/memory.ts';
import type { BarBatch } from '../core/bar.ts';
import { bucketOf } from '../core/bucket.ts';
import { Framer } from '../core/framer.ts';
import { TradeBatch } from '../core/trade.ts';
import { type ConsumeEvent, makeConsumer } from '../lambdas/consume-kinesis.ts';
import { addBars, type Answer, assertSame } from './answer.ts';
import { pipelineFor } from './fold.ts';
import { fillBatch, framesOf, lineOf, type Market, makeMarket } from './market.ts';
import { race } from './race.ts';
import { strategies } from './replay.ts';
import { against, type Suite } from './suite.ts';

/**
 * The handler that Lambda runs, with a checkpoint store and a history in memory; an event is parsed from its text and the answer written as
 * text, as the runtime does. What a trade costs is measured on invocations as full as Lambda makes them, what a month costs on the load of
 * one second and shard at a time, and what checkpoints weigh on one event a second, as a quiet stream gives them.
 */
export const consumer: Suite = {
  name: 'consumer',
  summary: 'the consume handler: packed frames against one JSON trade a record, its billed time, and what its checkpoints weigh',
  run: async ({ rounds, progress }) => {
    const market = makeMarket({ tradeCount: 1_500_000 });
    const short = makeMarket({ tradeCount: 300_000 });
    progress('comparing the bars');
    const jsonOfShort = fullEvents(jsonRecords(short));
    assertSameClosed((await consume(jsonOfShort)).answer, (await consume(fullEvents(packedRecords(short)))).answer);
    const packed = fullEvents(packedRecords(market));
    const contenders = [
      { name: 'packed', run: () => consume(packed) },
      { name: 'JSON', run: () => consume(jsonOfShort) },
    ];
    const [packedNs = NaN, jsonNs = NaN] = await race(contenders, { rounds: Math.min(rounds, 5), warmUpRounds: 1, count: 1, progress });
    progress('an hour of the market, second by second');
    const hour = makeMarket({ tradeCount: 460 * 3_600 });
    const billedShare = (await billedMsOf(hour, { shards: 2 })) / 3_600_000;
    const quiet = await consume(packedEvents(short, { everyMs: 1_000 }).map((event) => JSON.stringify(event)));
    return [
      against('handler, full invocations of packed frames / of one JSON trade a record', packedNs / market.count, jsonNs / short.count, {
        atLeast: 30,
        aim: 40,
      }),
      { what: 'billed time at 1×, two shards, of the wall clock', ours: 100 * billedShare, unit: '%', goal: { atMost: 5, aim: 3 } },
      { what: 'checkpoints written, one event a second', ours: quiet.stateBytes / quiet.barCount, unit: 'bytes/bar' },
      { what: 'the same', ours: quiet.barCount / quiet.commitCount, unit: 'bars/commit' },
    ];
  },
};

/** What a call to a table or a delivery stream takes, for which Lambda is billed and no processor needed. */
const callMs = 10;

/**
 * The processor's time, and a call's for each kind of call that an invocation makes; those of one kind are made side by side. Each shard is read once
 * a second.
 */
async function billedMsOf(market: Market, { shards }: { readonly shards: number }): Promise<number> {
  const seconds = packedEvents(market, { everyMs: 1_000 });
  let billedMs = 0;
  for (let shard = 0; shard < shards; shard++) {
    const texts = seconds.map(({ Records, ...event }) =>
      JSON.stringify({ ...event, Records: Records.filter(({ kinesis }) => Number(kinesis.partitionKey) % shards === shard) }),
    );
    const before = process.cpuUsage();
    const { callCount } = await consume(texts);
    const { user, system } = process.cpuUsage(before);
    billedMs += (user + system) / 1_000 + callCount * callMs;
  }
  return billedMs;
}

/** Only our frames tell a quiet bucket the time, so at the end of the market the others may lack a minute. */
function assertSameClosed(theirs: Answer, ours: Answer): void {
  const both = (answer: Answer, other: Answer) => new Map([...answer].filter(([key]) => other.has(key)));
  if (theirs.size < ours.size * 0.9) throw new Error(`JSON records gave ${theirs.size} bars, packed frames ${ours.size}`);
  assertSame('JSON records', both(theirs, ours), both(ours, theirs));
}

async function consume(events: readonly string[]) {
  const answer: Answer = new Map();
  const checkpoints = new CountedCheckpoints();
  let barCount = 0;
  let writeCount = 0;
  const history = {
    writeBars: async (bars: BarBatch) => {
      writeCount++;
      barCount += bars.length;
      addBars(answer, bars);
    },
    writeLate: async () => {},
    writeQuarantined: async () => {
      throw new Error('nothing is to be quarantined');
    },
  };
  const handle = makeConsumer({ pipeline: pipelineFor({ strategies }), checkpoints, history });
  let answered = '{}';
  for (const text of events) {
    const event = JSON.parse(text) as ConsumeEvent;
    const { state } = JSON.parse(answered) as { state?: ConsumeEvent['state'] };
    answered = JSON.stringify(await handle({ ...event, state: state ?? {} }));
  }
  const { stateBytes, commitCount, callCount } = checkpoints;
  return { answer, barCount, stateBytes, commitCount, callCount: callCount + writeCount };
}

class CountedCheckpoints extends MemoryCheckpoints {
  stateBytes = 0;
  commitCount = 0;
  callCount = 0;

  override async load(buckets: readonly number[]): Promise<Checkpoint[]> {
    if (buckets.length > 0) this.callCount++;
    return super.load(buckets);
  }

  override async commit(commits: readonly Commit[]): Promise<void> {
    this.callCount++;
    this.commitCount += commits.length;
    for (const { state } of commits) this.stateBytes += state.length;
    await super.commit(commits);
  }
}

type Cut = { readonly everyMs: number };

/** The index behind the last trade of each stretch of the market. */
function stretchesOf({ count, eventTimeMs }: Market, { everyMs }: Cut): number[] {
  const stretchOf = (i: number) => Math.floor((eventTimeMs[i] as number) / everyMs);
  const ends: number[] = [];
  for (let i = 1; i < count; i++) if (stretchOf(i) > stretchOf(i - 1)) ends.push(i);
  return [...ends, count];
}

type KinesisRecord = ConsumeEvent['Records'][number];

/** Our own feed, which gives its frames out at the end of each stretch. */
export function packedEvents(market: Market, cut: Cut): ConsumeEvent[] {
  let sequence = 0;
  let records: KinesisRecord[] = [];
  const framer = new Framer({
    bucketCount: 16,
    producerId: 'bench',
    aheadMaxMs: 0,
    outOfOrdernessMs: 2_000,
    emit: (frame) => records.push(recordOf(String(frame.bucket), ++sequence, encodePacked(frame))),
  });
  const trades = new TradeBatch();
  let from = 0;
  return stretchesOf(market, cut).map((to) => {
    records = [];
    fillBatch(trades, market, { from, to, withIds: false });
    framer.add(trades, Number.MAX_SAFE_INTEGER);
    framer.flush();
    from = to;
    return eventOf(records, market.eventTimeMs[to - 1] as number);
  });
}

/** The frames of a feed that has much to do. */
export function packedRecords(market: Market): KinesisRecord[] {
  return framesOf(market).map(({ bucket, data }, i) => recordOf(String(bucket), i + 1, data));
}

/** The plainest producer. */
function jsonRecords(market: Market): KinesisRecord[] {
  return Array.from({ length: market.count }, (_, i) => {
    const key = String(bucketOf(market.symbols[market.symbolNumber[i] as number] as string, 16));
    return recordOf(key, i + 1, Buffer.from(lineOf(market, i, { withIds: false })));
  });
}

/** @see https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html */
const invocationMax = { records: 10_000, bytes: 6_000_000 };

/** The texts of events with as many records as an invocation takes. */
export function fullEvents(records: readonly KinesisRecord[]): string[] {
  const texts: string[] = [];
  let open: string[] = [];
  let bytes = 0;
  const close = () => {
    texts.push(`{"Records":[${open.join(',')}],"window":${JSON.stringify(windowAt(0))}}`);
    open = [];
    bytes = 0;
  };
  for (const record of records) {
    const text = JSON.stringify({ ...envelope, ...record, eventID: `shardId-000000000000:${record.kinesis.sequenceNumber}` });
    if (open.length === invocationMax.records || bytes + text.length > invocationMax.bytes) close();
    open.push(text);
    bytes += text.length;
  }
  close();
  return texts;
}

/** What Lambda puts around a record. */
const envelope = {
  eventSource: 'aws:kinesis',
  eventVersion: '1.0',
  eventName: 'aws:kinesis:record',
  invokeIdentityArn: 'arn:aws:iam::123456789012:role/Tapeline-SignalConsumerHandlerRole1ABE0063-AbCdEfGhIjKl',
  awsRegion: 'eu-central-1',
  eventSourceARN: 'arn:aws:kinesis:eu-central-1:123456789012:stream/Tapeline-TapeStream6522DDC4-AbCdEfGhIjKl',
};

function recordOf(partitionKey: string, sequence: number, data: Uint8Array): KinesisRecord {
  return {
    kinesis: {
      data: Buffer.from(data).toString('base64'),
      partitionKey,
      sequenceNumber: String(sequence),
      approximateArrivalTimestamp: 8e12,
    },
  };
}

function eventOf(records: readonly KinesisRecord[], timeMs: number): ConsumeEvent {
  return { Records: records, window: windowAt(timeMs) };
}

function windowAt(timeMs: number): NonNullable<ConsumeEvent['window']> {
  const startMs = Math.floor(timeMs / 60_000) * 60_000;
  return { start: new Date(startMs).toISOString(), end: new Date(startMs + 60_000).toISOString() };
}
