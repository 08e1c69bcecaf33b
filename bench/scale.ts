import type { BucketState } from '../core/bucket-state.ts';
import { foldRecords, pipelineFor, statesOf } from './fold.ts';
import { framesOf, heldUp, makeMarket, type PackedRecord } from './market.ts';
import { type Contender, race } from './race.ts';
import type { Measure, Suite } from './suite.ts';

/**
 * What a trade costs among a hundred times as many symbols, each of which trades as often as one of the few. Three times as many trades as
 * elsewhere, and the first half is not timed: in it most of the many symbols come for the first time.
 */
export const symbols: Suite = {
  name: 'symbols',
  summary: '150,000 symbols against 1,500, per trade',
  run: async ({ tradeCount: tradesOfOthers, rounds, progress }) => {
    const tradeCount = 3 * tradesOfOthers;
    progress(`making two markets of ${tradeCount} trades`);
    const few = framesOf(makeMarket({ tradeCount }));
    const market = makeMarket({ tradeCount, symbolCount: 150_000 });
    const contenders = [
      secondHalf('1,500', few),
      secondHalf('150,000', framesOf(market)),
      secondHalf('150,000 in 100 buckets', framesOf(market, { bucketCount: 100 }), 100),
    ];
    const [fewNs = NaN, manyNs = NaN, manyIn100Ns = NaN] = await race(contenders, { rounds, count: tradeCount / 2, progress });
    return [
      dearer('150,000 symbols / 1,500, 16 buckets', manyNs, fewNs, { atMost: 4, aim: 1.5 }),
      dearer('150,000 symbols in 100 buckets / 1,500 in 16', manyIn100Ns, fewNs, { atMost: 4, aim: 1.5 }),
    ];
  },
};

function secondHalf(name: string, records: readonly PackedRecord[], buckets = 16): Contender {
  const pipeline = pipelineFor({ buckets });
  const half = records.length >> 1;
  let states: BucketState[] = [];
  return {
    name,
    prepare: () => {
      states = statesOf(pipeline);
      foldRecords(states, records.slice(0, half));
    },
    run: () => foldRecords(states, records.slice(half), undefined, half),
  };
}

/** A fifth of the trades arrive up to 1.5 seconds behind the others; all find their window open. */
export const disorder: Suite = {
  name: 'disorder',
  summary: '20 % of the trades out of order, against none',
  run: async ({ tradeCount, rounds, progress }) => {
    const market = makeMarket({ tradeCount });
    const contenders = [
      contender('in order', framesOf(market)),
      contender('20 % out of order', framesOf(heldUp(market, { share: 0.2, upToMs: 1_500 }))),
    ];
    const [inOrderNs = NaN, outOfOrderNs = NaN] = await race(contenders, { rounds, count: tradeCount, progress });
    return [dearer('20 % out of order / in order', outOfOrderNs, inOrderNs, { atMost: 1.25, aim: 1.1 })];
  },
};

function contender(name: string, records: readonly PackedRecord[]): Contender {
  const pipeline = pipelineFor();
  return { name, run: () => foldRecords(statesOf(pipeline), records) };
}

function dearer(what: string, ours: number, theirs: number, goal: { readonly atMost: number; readonly aim: number }): Measure {
  return { what, ours, theirs, unit: 'ns/trade', ratio: ours / theirs, goal };
}
