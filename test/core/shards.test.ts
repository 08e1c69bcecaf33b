import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRecord, type RawRecord } from '../../adapters/frames/decode.ts';
import { BucketState, emptyOutcome } from '../../core/bucket-state.ts';
import { advance } from '../../core/consume.ts';
import { restore, snapshot } from '../../core/snapshot.ts';
import { packed, startMs } from '../adapters/frames/reading.ts';
import { pipelineWith } from './support/pipelines.ts';

const pipeline = pipelineWith({});

/** A record with one trade. */
const recordOf = (shardId: string, sequence: number): RawRecord => ({
  shardId,
  sequenceNumber: String(sequence),
  arrivalTimeMs: startMs,
  data: packed([{ symbol: 'IBM', eventTimeMs: startMs, price: 1, size: 1 }]),
});

/** Batches of records, each folded into the state as it was restored behind the batch before. */
function fold(batches: readonly (readonly RawRecord[])[]) {
  const outcome = emptyOutcome();
  let state = new BucketState(pipeline, 0);
  for (const batch of batches) {
    advance(
      state,
      batch.map((record) => decodeRecord(record, 0)),
      outcome,
    );
    state = restore(pipeline, snapshot(state));
  }
  return { trades: state.counts.trades, quarantined: outcome.quarantined };
}

describe('a bucket that lies in two shards at once', () => {
  const records = fc
    .uniqueArray(fc.tuple(fc.integer({ min: 1, max: 200 }), fc.constantFrom('a', 'b')), {
      selector: ([sequence]) => sequence,
      maxLength: 40,
    })
    .map((drawn) => drawn.map(([sequence, shardId]) => recordOf(shardId, sequence)));
  const bySequence = (a: RawRecord, b: RawRecord) => Number(a.sequenceNumber) - Number(b.sequenceNumber);

  it('loses no record without a word: each is folded or in quarantine, however the shards are read, and never both', () => {
    fc.assert(
      fc.property(records, fc.array(fc.boolean(), { maxLength: 80 }), fc.array(fc.boolean()), (all, turns, repeats) => {
        const unread = { a: [] as RawRecord[], b: [] as RawRecord[] };
        for (const record of all.toSorted(bySequence)) unread[record.shardId as 'a' | 'b'].push(record);
        const batches: RawRecord[][] = [];
        for (const isA of turns) batches.push((isA ? unread.a : unread.b).splice(0, 2));
        batches.push(unread.a, unread.b);
        const { trades, quarantined } = fold(batches.flatMap((batch, i) => (repeats[i] ? [batch, batch] : [batch])));
        const positions = new Set(quarantined.map(({ position }) => position));
        expect(trades + positions.size).toBe(all.length);
        expect(quarantined.every(({ reason }) => reason === 'bucket-in-two-shards')).toBe(true);
      }),
    );
  });

  it('says which shard the record came through', () => {
    expect(fold([[recordOf('a', 7)], [recordOf('b', 5)]])).toEqual({
      trades: 1,
      quarantined: [{ position: '5#0', reason: 'bucket-in-two-shards', sample: 'a record of b, behind one of another shard' }],
    });
  });
});

describe('a bucket whose shard is split and merged', () => {
  it('has nothing in quarantine, whatever of each shard comes again', () => {
    const generations = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(generations, fc.array(fc.nat(100), { maxLength: 20 }), (counts, repeated) => {
        let sequence = 0;
        const batches = counts.map((count, i) => Array.from({ length: count }, () => recordOf(`shard-${i}`, ++sequence)));
        const again = repeated.map((at) => batches[at % batches.length] as RawRecord[]);
        expect(fold([...batches, ...again])).toEqual({ trades: sequence, quarantined: [] });
      }),
    );
  });

  it('takes what it has forgotten for a repeat, for the stream has forgotten it too', () => {
    const shards = Array.from({ length: 100 }, (_, i) => [recordOf(`shard-${i}`, i + 1)]);
    expect(fold([...shards, ...shards])).toEqual({ trades: 100, quarantined: [] });
  });
});
