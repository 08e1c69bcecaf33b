import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bySignalOrder, type LinkedSignal } from '../../core/signal.ts';
import { earlyMaxMs, letThrough, orderAtFirst, type SymbolOrder } from '../../core/signal-order.ts';
import { defineStrategy } from '../../core/strategy.ts';
import { linkedSignals } from '../adapters/delivery/signals.ts';
import { foldWhole } from './support/facts.ts';
import { markets, policies, tapeOf } from './support/market.ts';
import { pipelineWith } from './support/pipelines.ts';

const six = linkedSignals('IBM', 6) as [LinkedSignal, LinkedSignal, LinkedSignal, LinkedSignal, LinkedSignal, LinkedSignal];
/** On each bar one of them or all decide, in another order than that of their ids. */
const flips = ['c', 'a', 'b'].map((name) =>
  defineStrategy(name, { allowShort: true }, ({ bar, above, buy, sell }) => {
    return () => (above(bar.close, name === 'a' ? bar.low : bar.open) ? buy('up') : sell('down'));
  }),
);
const ids = (signals: readonly LinkedSignal[]) => signals.map(({ signalId }) => signalId);
/** Some of the six, some of them twice, in any order. */
const arrivals = fc.array(fc.constantFrom(...six), { maxLength: 14 });

describe('the signals of a symbol', () => {
  it('name the one before them, of whatever strategy and bucket count; the first names none', () => {
    let linked = 0;
    fc.assert(
      fc.property(markets, policies, fc.constantFrom(1, 4), (trades, policy, bucketCount) => {
        const pipeline = pipelineWith({ ...policy, bucketCount, strategies: [...flips, ...(policy.strategies ?? [])] });
        const { signals } = foldWhole(pipeline, tapeOf(trades, { ...policy, bucketCount }));
        const raised = Object.values(signals).flatMap((lines) => lines.map((line) => JSON.parse(line) as LinkedSignal));
        for (const ofSymbol of Map.groupBy(raised, ({ symbol }) => symbol).values()) {
          const inOrder = ofSymbol.toSorted(bySignalOrder);
          expect(inOrder.map(({ previousId }) => previousId)).toEqual([undefined, ...ids(inOrder).slice(0, -1)]);
          linked += inOrder.length - 1;
        }
      }),
      { numRuns: 100, seed: 1 },
    );
    expect(linked).toBeGreaterThan(300);
  });

  it('go in their order, each once more for each time that it comes, whatever order they come in', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(six, { minLength: 6 }), arrivals, fc.nat(9), (all, repeats, cut) => {
        const came = [...all.slice(0, cut), ...repeats, ...all.slice(cut)];
        const { gone, order } = passing(came.map((signal) => [signal]));
        expect(ids(firstOfEach(gone))).toEqual(ids(six));
        expect(order.early).toEqual([]);
      }),
    );
  });

  it('go alike together or one by one', () => {
    fc.assert(
      fc.property(arrivals, (came) => {
        const together = passing([came]);
        const oneByOne = passing(came.map((signal) => [signal]));
        expect(ids(firstOfEach(together.gone))).toEqual(ids(firstOfEach(oneByOne.gone)));
        expect(together.order.last).toEqual(oneByOne.order.last);
        expect(ids(together.order.early.map(({ signal }) => signal))).toEqual(ids(oneByOne.order.early.map(({ signal }) => signal)));
      }),
    );
  });

  it('go in their order without those that never come, none held back for longer than a minute', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(six), (came) => {
        const before = passing(came.map((signal) => [signal]));
        const after = letThrough(before.order, [], earlyMaxMs);
        expect(ids([...before.gone, ...after.signals])).toEqual(ids(came.toSorted(bySignalOrder)));
        expect(after.order.early).toEqual([]);
        const missing = came.filter((signal) => signal.previousId !== undefined && !ids(came).includes(signal.previousId));
        expect(before.gaps + after.gaps).toBe(missing.length);
        expect(letThrough(before.order, [], earlyMaxMs - 1).signals).toEqual([]);
      }),
    );
  });

  it.each<{ fact: string; order: SymbolOrder; come: LinkedSignal[]; nowMs?: number; go: LinkedSignal[]; gaps: number }>([
    { fact: 'the first of all goes at once', order: orderAtFirst, come: [six[0]], go: [six[0]], gaps: 0 },
    { fact: 'one whose predecessor is not known waits', order: orderAtFirst, come: [six[2]], go: [], gaps: 0 },
    { fact: 'one without a link, of an older version, goes at once', order: at(0), come: [unlinked(3)], go: [unlinked(3)], gaps: 0 },
    { fact: 'one that comes behind the last goes at once', order: at(3), come: [six[1]], go: [six[1]], gaps: 0 },
    {
      fact: 'when one has waited in vain, all before it go with it',
      order: held(2, 4),
      come: [six[3]],
      nowMs: 60_000,
      go: [six[2], six[3], six[4]],
      gaps: 1,
    },
  ])('$fact', ({ order, come, nowMs = 0, go, gaps }) => {
    const through = letThrough(order, come, nowMs);
    expect([ids(through.signals), through.gaps]).toEqual([ids(go), gaps]);
  });

  it('are not held up by those of another publisher in between, which are in order among themselves', () => {
    const others = six.map((signal) => ({
      ...signal,
      signalId: `o${signal.signalId}`,
      ...(signal.previousId && { previousId: `o${signal.previousId}` }),
    }));
    const { gone, order } = passing([...six.keys()].map((i) => [six[i], others[i]] as LinkedSignal[]));
    expect([ids(gone).toSorted(), order.early]).toEqual([ids([...six, ...others]).toSorted(), []]);
  });

  it('go on after many old ones have come again', () => {
    const many = linkedSignals('IBM', 31);
    const [before, next] = [many.slice(0, 30), many.slice(30)];
    expect(ids(passing([before, before, next]).gone).slice(60)).toEqual(ids(next));
  });

  it('that wait are so many at most; then all go as they are', () => {
    const many = linkedSignals('IBM', 130).slice(1);
    expect(passing([many.slice(0, 100)]).gone).toEqual([]);
    expect(ids(passing([many]).gone)).toEqual(ids(many));
    expect(passing([many]).order.early).toEqual([]);
  });
});

/** All that goes when these come one after the other, at one time. */
function passing(groups: readonly (readonly LinkedSignal[])[]) {
  let order = orderAtFirst;
  let gaps = 0;
  const gone: LinkedSignal[] = [];
  for (const group of groups) {
    const through = letThrough(order, group, 0);
    order = through.order;
    gaps += through.gaps;
    gone.push(...through.signals);
  }
  return { gone, order, gaps };
}

function firstOfEach(signals: readonly LinkedSignal[]): LinkedSignal[] {
  return [...new Map(signals.toReversed().map((signal) => [signal.signalId, signal])).values()].toSorted(
    (a, b) => signals.indexOf(a) - signals.indexOf(b),
  );
}

function at(index: number): SymbolOrder {
  return passing([six.slice(0, index + 1)]).order;
}

function held(...indexes: readonly number[]): SymbolOrder {
  return passing([six.slice(0, 1), indexes.map((index) => six[index] as LinkedSignal)]).order;
}

function unlinked(index: number): LinkedSignal {
  const { previousId: _, ...signal } = six[index] as LinkedSignal;
  return signal;
}
