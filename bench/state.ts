import { packState } from '../adapters/stores/state-bytes.ts';
import { restore, snapshot } from '../core/snapshot.ts';
import { foldRecords, pipelineFor, statesOf } from './fold.ts';
import { framesOf, makeMarket } from './market.ts';
import { race } from './race.ts';
import { strategies } from './replay.ts';
import type { Suite } from './suite.ts';

/** The state of 1,500 symbols with three strategies in the middle of a market: its bytes, and the time to take and to restore it. */
export const state: Suite = {
  name: 'snapshot',
  summary: 'the state of 1,500 symbols with three strategies, as bytes',
  run: async ({ rounds, progress }) => {
    const pipeline = pipelineFor({ strategies });
    const states = statesOf(pipeline);
    const market = makeMarket({ tradeCount: 1_000_000 });
    // Without the last record of each bucket, that ends the market and closes its windows.
    foldRecords(states, framesOf(market).slice(0, -states.length));
    const symbolCount = states.reduce((sum, { symbols }) => sum + symbols.length, 0);
    const taken = () => states.map(snapshot);
    const bytes = taken();
    const size = (parts: readonly Uint8Array[]) => parts.reduce((sum, { length }) => sum + length, 0) / symbolCount;
    for (const part of bytes) {
      if (!Buffer.from(snapshot(restore(pipeline, part))).equals(part)) throw new Error('a restored state must give the same bytes');
    }
    const times = 20;
    const repeated = (work: () => unknown) => () => {
      for (let i = 1; i < times; i++) work();
      return work();
    };
    const contenders = [
      { name: 'snapshot', run: repeated(taken) },
      { name: 'restore', run: repeated(() => bytes.map((part) => restore(pipeline, part))) },
    ];
    const [takeNs = NaN, restoreNs = NaN] = await race(contenders, { rounds, warmUpRounds: 1, count: times, progress });
    return [
      {
        what: `snapshot of ${symbolCount} symbols with 3 strategies`,
        ours: size(bytes),
        unit: 'bytes/symbol',
        goal: { aimAtMost: 1_024 },
      },
      { what: 'the same, compressed as it is stored', ours: size(bytes.map(packState)), unit: 'bytes/symbol' },
      { what: 'snapshot, all symbols', ours: takeNs / 1e6, unit: 'ms', goal: { aimAtMost: 2 } },
      { what: 'restore, all symbols', ours: restoreNs / 1e6, unit: 'ms' },
    ];
  },
};
