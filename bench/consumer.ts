import { encodePacked } from '../adapters/frames/packed.ts';
import type { Commit } from '../adapters/stores/checkpoints.ts';
import { MemoryCheckpoints } from '../adapters/stores/memory.ts';
import type { BarBatch } from '../core/bar.ts';
import { bucketOf } from '../core/bucket.ts';
import { Framer } from '../core/framer.ts';
import { TradeBatch } from '../core/trade.ts';
import { type ConsumeEvent, makeConsumer } from '../lambdas/consume-kinesis.ts';
import { addBars, type Answer, assertSame } from './answer.ts';
import { pipelineFor } from './fold.ts';
import { fillBatch, lineOf, type Market, makeMarket } from './market.ts';
import { race } from './race.ts';
import { strategies } from './replay.ts';
import { against, type Suite } from './suite.ts';

/**
 * The handler that Lambda runs, with a checkpoint store and a history in memory. What a trade costs is measured on full events, of twenty
 * seconds of the market; what checkpoints weigh on one event a second, as a quiet stream gives them.
 */
export const consumer: Suite = {
  name: 'consumer',
  summary: 'the consume handler: packed frames against one JSON trade a record, and what its checkpoints weigh',
  run: async ({ rounds, progress }) => {
    const tradeCount = 300_000;
    const market = makeMarket({ tradeCount });
    const packed = packedEvents(market, { everyMs: 20_000 });
    const plain = jsonEvents(market, { everyMs: 20_000 });
    progress('comparing the bars');
    assertSameClosed((await consume(plain)).answer, (await consume(packed)).answer);
    const contenders = [
      { name: 'packed', run: () => consume(packed) },
      { name: 'JSON', run: () => consume(plain) },
    ];
    const [packedNs = NaN, jsonNs = NaN] = await race(contenders, { rounds: Math.min(rounds, 5), count: tradeCount, progress });
    const quiet = await consume(packedEvents(market, { everyMs: 1_000 }));
    return [
      against('handler on packed frames / on one JSON trade a record', packedNs, jsonNs),
      { what: 'checkpoints written, one event a second', ours: quiet.stateBytes / quiet.barCount, unit: 'bytes/bar' },
      { what: 'the same', ours: quiet.barCount / quiet.commitCount, unit: 'bars/commit' },
    ];
  },
};

/** Only our frames tell a quiet bucket the time, so at the end of the market the others may lack a minute. */
function assertSameClosed(theirs: Answer, ours: Answer): void {
  const both = (answer: Answer, other: Answer) => new Map([...answer].filter(([key]) => other.has(key)));
  if (theirs.size < ours.size * 0.9) throw new Error(`JSON records gave ${theirs.size} bars, packed frames ${ours.size}`);
  assertSame('JSON records', both(theirs, ours), both(ours, theirs));
}

async function consume(events: readonly ConsumeEvent[]) {
  const answer: Answer = new Map();
  const checkpoints = new CountedCheckpoints();
  let barCount = 0;
  const history = {
    writeBars: async (bars: BarBatch) => {
      barCount += bars.length;
      addBars(answer, bars);
    },
    writeLate: async () => {},
    writeQuarantined: async () => {
      throw new Error('nothing is to be quarantined');
    },
  };
  const handle = makeConsumer({ pipeline: pipelineFor({ strategies }), checkpoints, history });
  let travelling: ConsumeEvent['state'] = {};
  for (const event of events) travelling = (await handle({ ...event, state: travelling })).state;
  return { answer, barCount, stateBytes: checkpoints.stateBytes, commitCount: checkpoints.commitCount };
}

class CountedCheckpoints extends MemoryCheckpoints {
  stateBytes = 0;
  commitCount = 0;

  override async commit(commits: readonly Commit[]): Promise<void> {
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
function packedEvents(market: Market, cut: Cut): ConsumeEvent[] {
  let sequence = 0;
  let records: KinesisRecord[] = [];
  const framer = new Framer({
    bucketCount: 16,
    producerId: 'bench',
    aheadMaxMs: 0,
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

/** The plainest producer. */
function jsonEvents(market: Market, cut: Cut): ConsumeEvent[] {
  let from = 0;
  return stretchesOf(market, cut).map((to) => {
    const records: KinesisRecord[] = [];
    for (let i = from; i < to; i++) {
      const key = String(bucketOf(market.symbols[market.symbolNumber[i] as number] as string, 16));
      records.push(recordOf(key, i + 1, Buffer.from(lineOf(market, i, { withIds: false }))));
    }
    from = to;
    return eventOf(records, market.eventTimeMs[to - 1] as number);
  });
}

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
  const startMs = Math.floor(timeMs / 60_000) * 60_000;
  return { Records: records, window: { start: new Date(startMs).toISOString(), end: new Date(startMs + 60_000).toISOString() } };
}
