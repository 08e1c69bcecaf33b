import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRecord } from '../../adapters/frames/decode.ts';
import { BucketState, emptyOutcome, type Outcome } from '../../core/bucket-state.ts';
import { advance } from '../../core/consume.ts';
import type { Pipeline } from '../../core/pipeline.ts';
import { defineStrategy } from '../../core/strategy.ts';
import { StateUnreadable, restore, snapshot } from '../../core/snapshot.ts';
import { markets, policies, tapeOf } from './support/market.ts';
import { pipelineWith } from './support/pipelines.ts';
import type { StreamRecord } from './support/stream.ts';

describe('a snapshot', () => {
  it('is the same bytes when it was restored, wherever they lie, and goes on to the same bytes and the same output', () => {
    fc.assert(
      fc.property(markets, policies, fc.nat(40), fc.nat(9), (trades, policy, cut, shift) => {
        const pipeline = pipelineWith(policy);
        const records = tapeOf(trades, { bucketCount: 1, entriesMax: 5 });
        const state = new BucketState(pipeline, 0);
        fold(state, records.slice(0, cut));
        const saved = snapshot(state);
        const moved = new Uint8Array(saved.length + shift).subarray(shift);
        moved.set(saved);
        const restored = restore(pipeline, moved);
        expect(snapshot(restored)).toEqual(saved);
        expect(linesOf(fold(restored, records.slice(cut)))).toEqual(linesOf(fold(state, records.slice(cut))));
        expect(snapshot(restored)).toEqual(snapshot(state));
      }),
      { numRuns: 150 },
    );
  });

  it('does not change what it was taken from', () => {
    const { pipeline, records } = busy();
    const [watched, plain] = [new BucketState(pipeline, 0), new BucketState(pipeline, 0)];
    for (const record of records) {
      snapshot(watched);
      expect(linesOf(fold(watched, [record]))).toEqual(linesOf(fold(plain, [record])));
    }
    expect(snapshot(watched)).toEqual(snapshot(plain));
  });

  it('keeps no hold on the bytes that it was restored from', () => {
    const { pipeline, state } = busy();
    const saved = snapshot(state);
    const bytes = saved.slice();
    const restored = restore(pipeline, bytes);
    bytes.fill(0xff);
    expect(snapshot(restored)).toEqual(saved);
  });

  it('is refused when one of its bits is another', () => {
    const { pipeline, state } = busy();
    const saved = snapshot(state);
    for (let at = 0; at < saved.length; at++) {
      const spoiled = saved.slice();
      for (let bit = 1; bit < 256; bit *= 2) {
        spoiled[at] = (saved[at] as number) ^ bit;
        expect(
          codeOf(() => restore(pipeline, spoiled)),
          `byte ${at}, bit ${bit}`,
        ).toMatch(/^state-(broken|version-unsupported)$/);
      }
    }
  });

  it('is refused when it is cut or has more behind it', () => {
    const { pipeline, state } = busy();
    const saved = snapshot(state);
    for (let length = 0; length < saved.length; length++)
      expect(codeOf(() => restore(pipeline, saved.slice(0, length)))).toBe('state-broken');
    for (const more of [1, 8, 16]) expect(codeOf(() => restore(pipeline, Buffer.concat([saved, Buffer.alloc(more)])))).toBe('state-broken');
  });

  it('of another version is refused as such', () => {
    const { pipeline, state } = busy();
    const saved = snapshot(state);
    new DataView(saved.buffer).setUint32(4, 999, true);
    expect(codeOf(() => restore(pipeline, saved))).toBe('state-version-unsupported');
    expect(() => restore(pipeline, saved)).toThrow('version "999"');
  });

  it('of another pipeline is refused as such', () => {
    const { state } = busy();
    expect(codeOf(() => restore(pipelineWith({ allowedLatenessMs: 1 }), snapshot(state)))).toBe('state-of-another-pipeline');
  });

  it('keeps what JSON has no word for', () => {
    const pipeline = pipelineWith({});
    const restored = restore(pipeline, snapshot(new BucketState(pipeline, 0)));
    expect([restored.watermarkMs, restored.firstEventTimeMs, restored.sequenceNumber]).toEqual([
      Number.NEGATIVE_INFINITY,
      Number.POSITIVE_INFINITY,
      '',
    ]);
  });
});

/** A small state with windows open, closed and carried, ids, several symbols and a strategy at work. */
function busy(): { pipeline: Pipeline; state: BucketState; records: StreamRecord[] } {
  const trade = (symbol: string, seconds: number, tradeId: string) => ({
    symbol,
    eventTimeMs: 1_704_205_800_000 + seconds * 1_000,
    price: 7.5 + seconds,
    size: 0.1,
    tradeId,
  });
  const trades = [
    trade('IBM', 0, '1'),
    trade('Ž', 1, 'a'),
    trade('IBM', 3, '2'),
    trade('Ž', 1, 'late'),
    trade('IBM', 4, '3'),
    trade('IBM', 4, '2'),
  ];
  const cross = defineStrategy('cross', ({ bar, sma, above, buy, hold }) => {
    const average = sma(bar.close, 2);
    return () => (above(bar.close, average) ? buy('up') : hold());
  });
  const pipeline = pipelineWith({ windowSizesMs: [1_000], allowedLatenessMs: 60_000, emptyWindows: 'carry', strategies: [cross] });
  const records = tapeOf(trades, { bucketCount: 1, entriesMax: 2 });
  const state = new BucketState(pipeline, 0);
  fold(state, records.slice(0, -1));
  return { pipeline, state, records };
}

function fold(state: BucketState, records: readonly StreamRecord[]): Outcome {
  return advance(
    state,
    records.map((record) => decodeRecord(record, 0)),
    emptyOutcome(),
  );
}

function linesOf({ bars, signals, late, quarantined }: Outcome): string[] {
  return [...bars, ...signals, ...late, ...quarantined].map((value) => JSON.stringify(value));
}

function codeOf(act: () => unknown): string {
  try {
    act();
    return 'nothing was thrown';
  } catch (error) {
    if (error instanceof StateUnreadable) return error.code;
    throw error;
  }
}
