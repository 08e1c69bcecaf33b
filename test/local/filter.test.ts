import { expect, it } from 'vitest';
import { silentFlag } from '../../core/frame.ts';
import { addTrade } from '../../adapters/feeds/trade-fields.ts';
import { TradeBatch } from '../../core/trade.ts';
import { filterFrame, filterTrades } from '../../local/filter.ts';
import { entriesOf, frameOf, startMs } from '../adapters/frames/reading.ts';

const trade = (symbol: string, second: number) => ({ symbol, eventTimeMs: startMs + second * 1000, price: 181.85, size: 100 });
const frame = frameOf([trade('IBM', 0), trade('MSFT', 1), startMs + 2_000, trade('BRK.B', 3), trade('MSFT', 4)]);

it.each([
  { filter: { symbols: new Set(['MSFT']) }, kept: [1, 4], symbols: ['MSFT'] },
  { filter: { symbols: new Set(['MSFT', 'BRK.B']), fromMs: startMs + 2_000 }, kept: [3, 4], symbols: ['BRK.B', 'MSFT'] },
  { filter: { toMs: startMs + 1_000 }, kept: [0], symbols: ['IBM'] },
  { filter: { symbols: new Set(['AAPL']) }, kept: [], symbols: [] },
])('a frame filtered by $filter has the trades $kept, no other symbols, and tells the time of all', ({ filter, kept, symbols }) => {
  const filtered = filterFrame(frame, filter, startMs + 3_000);
  const [before, after] = [entriesOf(frame), entriesOf(filtered)];
  expect(filtered.symbols).toEqual(symbols);
  expect(after.map((entry, i) => ('symbol' in entry ? i : -1)).filter((i) => i >= 0)).toEqual(kept);
  for (const i of [...kept, 2]) expect(after[i]).toEqual(before[i]);
  const others = [0, 1, 3, 4].filter((i) => !kept.includes(i));
  for (const i of others) expect(after[i]).toEqual({ heartbeatMs: startMs + i * 1000, flags: i === 4 ? silentFlag : 0 });
});

it('trades that are filtered keep their own ids, and those without one have none', () => {
  const batch = new TradeBatch();
  const trades = [
    trade('AAPL', 0),
    { ...trade('IBM', 1), tradeId: 'a' },
    trade('IBM', 2),
    { ...trade('AAPL', 3), tradeId: 'b' },
    { ...trade('IBM', 4), tradeId: 'c' },
    trade('IBM', 5),
  ];
  for (const each of trades) addTrade(batch, each);
  filterTrades(batch, { symbols: new Set(['IBM']) });
  expect(batch.length).toBe(4);
  expect(Array.from({ length: 4 }, (_, i) => batch.tradeIdText[i] ?? '')).toEqual(['a', '', 'c', '']);
});
