import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BucketState } from '../../core/bucket-state.ts';
import { advance } from '../../core/consume.ts';
import type { Frame } from '../../core/frame.ts';
import { restore, snapshot } from '../../core/snapshot.ts';
import { frameOf, startMs } from '../adapters/frames/reading.ts';
import { pipelineWith } from './support/pipelines.ts';

const pipeline = pipelineWith({ outOfOrdernessMs: 60_000 });

describe('the frames of a producer', () => {
  it('are each folded once, in whatever order and however often they were put, and what is missing is counted', () => {
    const puts = fc.array(fc.record({ sequence: fc.integer({ min: 1, max: 12 }), isSaved: fc.boolean() }), { maxLength: 40 });
    fc.assert(
      fc.property(puts, (all) => {
        let state = new BucketState(pipeline, 0);
        for (const [i, { sequence, isSaved }] of all.entries()) {
          fold(state, i, frameNumber(sequence));
          if (isSaved) state = restore(pipeline, snapshot(state));
        }
        const seen = new Set(all.map(({ sequence }) => sequence));
        expect(state.counts).toMatchObject({
          trades: seen.size,
          repeatedFrames: all.length - seen.size,
          missingFrames: Math.max(0, ...seen) - seen.size,
        });
      }),
    );
  });

  const cases = [
    { what: 'in order', sequences: [1, 2, 3], trades: 3, repeated: 0, missing: 0 },
    { what: 'with one put twice', sequences: [1, 2, 2, 3], trades: 3, repeated: 1, missing: 0 },
    { what: 'with one put again much later', sequences: [1, 2, 3, 1], trades: 3, repeated: 1, missing: 0 },
    { what: 'with one missing', sequences: [1, 3], trades: 2, repeated: 0, missing: 1 },
    { what: 'with one overtaken', sequences: [1, 3, 2], trades: 3, repeated: 0, missing: 0 },
    { what: 'with one overtaken and put twice', sequences: [1, 3, 2, 2], trades: 3, repeated: 1, missing: 0 },
    { what: 'with the first one overtaken', sequences: [2, 1, 3], trades: 3, repeated: 0, missing: 0 },
    {
      what: 'with a gap of thousands, of which the last 500 are still taken',
      sequences: [1, 5_000, 4_500, 4_499],
      trades: 3,
      repeated: 1,
      missing: 4_997,
    },
    { what: 'without numbers', sequences: [0, 0, 0], trades: 3, repeated: 0, missing: 0 },
  ];

  it.each(cases)('$what', ({ sequences, trades, repeated, missing }) => {
    const state = new BucketState(pipeline, 0);
    for (const [i, sequence] of sequences.entries()) fold(state, i, frameNumber(sequence));
    expect(state.counts).toMatchObject({ trades, repeatedFrames: repeated, missingFrames: missing });
  });

  it('of two producers are counted apart', () => {
    const state = new BucketState(pipeline, 0);
    fold(state, 0, frameNumber(1));
    fold(state, 1, { ...frameNumber(1), producerId: 'another' });
    expect(state.counts).toMatchObject({ trades: 2, repeatedFrames: 0 });
  });

  it('are not told apart by how often the bad trades in them are set aside: a repeated frame changes nothing but its count', () => {
    const state = new BucketState(pipeline, 0);
    const rejected = [{ index: 0, reason: 'price-not-positive', sample: '' }] as const;
    const put = (sequenceNumber: string) =>
      advance(state, [{ sequenceNumber, arrivalTimeMs: startMs, frames: [frameNumber(1)], rejected }]);
    expect(put('1').quarantined).toHaveLength(1);
    expect(put('2').quarantined).toHaveLength(0);
  });
});

/** One trade of its own second. */
function frameNumber(sequence: number): Frame {
  return frameOf([{ symbol: 'IBM', eventTimeMs: startMs + (sequence % 60), price: 1, size: 1 }], { producerSequence: sequence });
}

function fold(state: BucketState, index: number, frame: Frame): void {
  advance(state, [{ sequenceNumber: String(index + 1), arrivalTimeMs: startMs, frames: [frame], rejected: [] }]);
}
