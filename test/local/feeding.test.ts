import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { addTrade } from '../../adapters/feeds/trade-fields.ts';
import { decodeRecord } from '../../adapters/frames/decode.ts';
import { SqliteTape, type StoredRecord } from '../../adapters/tape/sqlite-tape.ts';
import { TradeBatch } from '../../core/trade.ts';
import { Feeding } from '../../local/feeding.ts';
import type { Source } from '../../local/source.ts';
import { entriesOf } from '../adapters/frames/reading.ts';

const readAtMs = Date.parse('2024-01-02T14:30:00Z');

type Silence = {
  /** How old the last trade was when it was read. */
  readonly lagMs: number;
  readonly silenceMs: number;
  /** Whether the feed says nothing at all, or things that are no trades. */
  readonly isQuiet: boolean;
};

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());

describe('a live feed that falls silent', () => {
  it.each([
    { lagMs: 0, silenceMs: 2_000, isQuiet: true, toldMs: [2_000] },
    { lagMs: 0, silenceMs: 2_000, isQuiet: false, toldMs: [2_000] },
    { lagMs: 0, silenceMs: 1_999, isQuiet: true, toldMs: [] },
    { lagMs: 0, silenceMs: 600_000, isQuiet: true, toldMs: [600_000] },
    { lagMs: -30_000, silenceMs: 2_000, isQuiet: true, toldMs: [2_000] },
    { lagMs: 10_000, silenceMs: 2_000, isQuiet: true, toldMs: [2_000] },
    { lagMs: 10_001, silenceMs: 2_000, isQuiet: true, toldMs: [] },
    { lagMs: 10_001, silenceMs: 600_000, isQuiet: true, toldMs: [] },
  ])('$silenceMs ms after a trade $lagMs ms old, with quiet $isQuiet, tells the tape $toldMs ms more', async ({ toldMs, ...silence }) => {
    expect(await toldAfterOneTrade(silence)).toEqual(toldMs);
  });
});

/** The heartbeats on the tape, in ms after the trade. */
async function toldAfterOneTrade(silence: Silence): Promise<number[]> {
  const tape = new SqliteTape(':memory:');
  const interruption = new AbortController();
  const committed: StoredRecord[] = [];
  const feeding = new Feeding({
    pipeline: { bucketCount: 1, aheadMaxMs: 60_000, outOfOrdernessMs: 2_000 },
    tape,
    shardId: 'shard-0',
    producerId: 'feed',
    filter: {},
    commitEveryMs: 5,
    takeQuarantined: async () => undefined,
    onCommitted: async (records) => {
      committed.push(...records);
      if (Date.now() === readAtMs + silence.silenceMs) interruption.abort();
    },
    signal: interruption.signal,
  });
  await feeding.readAll(silentAfterOneTrade(silence));
  tape.close();
  const entries = committed.flatMap((record) => decodeRecord(record, 0).frames.flatMap(entriesOf));
  return entries.flatMap((entry) => ('heartbeatMs' in entry ? [entry.heartbeatMs - (readAtMs - silence.lagMs)] : []));
}

function silentAfterOneTrade({ lagMs, silenceMs, isQuiet }: Silence): Source {
  const trades = new TradeBatch();
  let reads = 0;
  vi.setSystemTime(readAtMs);
  return {
    name: 'live',
    isLive: true,
    trades,
    quarantined: [],
    counts: {},
    bytesRead: 0,
    bytesTotal: undefined,
    async next() {
      if (reads++ === 0) {
        addTrade(trades, { symbol: 'IBM', eventTimeMs: readAtMs - lagMs, price: 181.85, size: 100 });
        return true;
      }
      vi.setSystemTime(readAtMs + silenceMs);
      if (isQuiet) return new Promise(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 6));
      return true;
    },
    snapshot: () => '',
    stop: () => undefined,
  };
}
