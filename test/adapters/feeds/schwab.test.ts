import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { schwab } from '../../../adapters/feeds/schwab.ts';
import { read } from './reading.ts';

const recording = new URL('../../../../shared/data/schwab/level-one-equities-2024-09-13.ndjson', import.meta.url);

type Update = { readonly key: string; readonly 3?: number; readonly 8?: number };
type Message = { readonly data: readonly { readonly timestamp: number; readonly content: readonly Update[] }[] };

/** Every update of every key, in order: the whole series first, so that trades can be counted by differences. */
function seriesOf(text: string): Map<string, { readonly timestamp: number; readonly update: Update }[]> {
  const messages: Message[] = text
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
  const updates = messages.flatMap(({ data }) =>
    data.flatMap(({ timestamp, content }) => content.map((update) => ({ timestamp, update }))),
  );
  return Map.groupBy(updates, ({ update }) => update.key);
}

function differences(volumes: readonly number[]): number[] {
  return volumes.slice(1).map((volume, i) => volume - (volumes[i] as number));
}

describe.skipIf(!existsSync(recording))('the recording of 2024-09-13 (skipped where ../shared/data is absent)', () => {
  const text = existsSync(recording) ? readFileSync(recording, 'utf8') : '';
  const series = seriesOf(text);
  const { trades, isConflated, rejected, counts } = read(schwab, text, [1, 1000, 245_000, 500_001, 777_777]);

  it('is read to the last message', () => {
    expect(rejected).toEqual([]);
    expect(counts).toMatchObject({ lines: 233, messages: 233, snapshots: 1514, blankLines: 0, ignored: 0 });
    expect(series.size).toBe(1514);
    const updates = [...series.values()].reduce((sum, { length }) => sum + length, 0);
    expect((counts.snapshots as number) + (counts.quotes as number) + (counts.trades as number)).toBe(updates);
  });

  it('has a trade for every rise and every reset of a volume, of its size, and none else', () => {
    const bySymbol = Map.groupBy(trades, ({ symbol }) => symbol);
    for (const [key, updates] of series) {
      const volumes = updates.flatMap(({ update }) => update[8] ?? []);
      const sizes = differences(volumes)
        .map((change, i) => (change < 0 ? (volumes[i + 1] as number) : change))
        .filter((size) => size > 0);
      expect((bySymbol.get(key) ?? []).map(({ size }) => size)).toEqual(sizes);
    }
  });

  it('reconciles the volume of the day with the first and the last message of each key', () => {
    const resets = [...series.values()].filter((updates) =>
      differences(updates.flatMap(({ update }) => update[8] ?? [])).some((change) => change < 0),
    );
    expect(resets.map((updates) => updates[0]?.update.key)).toEqual(['CHX']);
    expect(counts.resets).toBe(1);
    for (const [key, updates] of series) {
      if (key === 'CHX') continue;
      const volumes = updates.flatMap(({ update }) => update[8] ?? []);
      const traded = trades.filter(({ symbol }) => symbol === key).reduce((sum, { size }) => sum + size, 0);
      expect(traded).toBe((volumes.at(-1) as number) - (volumes[0] as number));
    }
  });

  it('prices each trade with the last price at or before it, and times it with its message', () => {
    const at = new Map<string, number>();
    for (const { symbol, price, eventTimeMs, size } of trades) {
      const updates = series.get(symbol) ?? [];
      const from = at.get(symbol) ?? 1;
      const here = updates.findIndex(({ update }, i) => i >= from && update[8] !== undefined && isTradeOf(updates, i, size));
      expect(here).toBeGreaterThan(0);
      expect(price).toBe(updates.slice(0, here + 1).findLast(({ update }) => update[3] !== undefined)?.update[3]);
      expect(eventTimeMs).toBe(updates[here]?.timestamp);
      at.set(symbol, here + 1);
    }
  });

  it('flags nothing as conflated that it cannot know to be: the recording has no last size', () => {
    expect(isConflated.every((flag) => !flag)).toBe(true);
    expect(counts).toMatchObject({ conflated: 0, conflationUnknown: trades.length });
  });

  it('is read the same from a snapshot after any message', () => {
    const cuts = [300_000, 600_000, 900_000];
    for (const resumeAt of [1, 2, 3]) expect(read(schwab, text, cuts, resumeAt)).toEqual({ trades, isConflated, rejected, counts });
  });
});

function isTradeOf(updates: readonly { readonly update: Update }[], at: number, size: number): boolean {
  const volume = updates[at]?.update[8] as number;
  const before = updates.slice(0, at).findLast(({ update }) => update[8] !== undefined)?.update[8] as number;
  return size === (volume < before ? volume : volume - before);
}

const first = { key: 'IBM', 3: 10, 8: 100 };
const timestamp = 1_726_233_671_621;

describe.each<{
  fact: string;
  updates: readonly object[];
  trades: readonly (readonly [price: number, size: number, isConflated: boolean])[];
  counts: object;
}>([
  { fact: 'the first update is a snapshot', updates: [first], trades: [], counts: { snapshots: 1, trades: 0 } },
  {
    fact: 'a rise is a trade at the carried price',
    updates: [first, { key: 'IBM', 8: 130 }],
    trades: [[10, 30, false]],
    counts: { trades: 1, conflationUnknown: 1 },
  },
  {
    fact: 'a rise is a trade at the price that comes with it',
    updates: [first, { key: 'IBM', 3: 11, 8: 130 }],
    trades: [[11, 30, false]],
    counts: { trades: 1 },
  },
  {
    fact: 'a price alone is a quote, and carried',
    updates: [first, { key: 'IBM', 3: 12 }, { key: 'IBM', 8: 101 }],
    trades: [[12, 1, false]],
    counts: { quotes: 1 },
  },
  { fact: 'an equal volume is a quote', updates: [first, { ...first, 3: 11 }], trades: [], counts: { quotes: 1, trades: 0 } },
  {
    fact: 'a fall is a reset and a trade of the new volume',
    updates: [first, { key: 'IBM', 8: 7 }, { key: 'IBM', 8: 9 }],
    trades: [
      [10, 7, false],
      [10, 2, false],
    ],
    counts: { resets: 1, trades: 2 },
  },
  {
    fact: 'a fall to zero is a reset and no trade',
    updates: [first, { key: 'IBM', 8: 0 }, { key: 'IBM', 8: 9 }],
    trades: [[10, 9, false]],
    counts: { resets: 1, quotes: 0 },
  },
  {
    fact: 'a zero is no price: the carried one stays',
    updates: [first, { key: 'IBM', 3: 0, 8: 101 }],
    trades: [[10, 1, false]],
    counts: { unpriced: 0 },
  },
  {
    fact: 'a first volume after the snapshot is none to compare with',
    updates: [
      { key: 'IBM', 3: 10 },
      { key: 'IBM', 8: 50 },
      { key: 'IBM', 8: 51 },
    ],
    trades: [[10, 1, false]],
    counts: { snapshots: 1, quotes: 1 },
  },
  {
    fact: 'volume without a price waits for one, and is in the next trade',
    updates: [
      { key: 'IBM', 3: 0, 8: 0 },
      { key: 'IBM', 8: 5 },
      { key: 'IBM', 3: 10 },
      { key: 'IBM', 8: 8 },
      { key: 'IBM', 8: 9 },
    ],
    trades: [
      [10, 8, true],
      [10, 1, false],
    ],
    counts: { unpriced: 1, conflated: 1, conflationUnknown: 1 },
  },
  {
    fact: 'volume without a price is not lost at a reset either',
    updates: [
      { key: 'IBM', 8: 100 },
      { key: 'IBM', 8: 5 },
      { key: 'IBM', 3: 10, 8: 6 },
    ],
    trades: [[10, 6, true]],
    counts: { unpriced: 1, resets: 1 },
  },
  {
    fact: 'a rise of the last size is one trade',
    updates: [first, { key: 'IBM', 8: 130, 9: 30 }],
    trades: [[10, 30, false]],
    counts: { conflated: 0, conflationUnknown: 0 },
  },
  {
    fact: 'a rise of another size than the last is several',
    updates: [first, { key: 'IBM', 8: 130, 9: 10 }],
    trades: [[10, 30, true]],
    counts: { conflated: 1 },
  },
  {
    fact: 'a last size is carried like all fields that did not change',
    updates: [
      { ...first, 9: 10 },
      { key: 'IBM', 8: 110 },
      { key: 'IBM', 8: 130 },
    ],
    trades: [
      [10, 10, false],
      [10, 20, true],
    ],
    counts: { conflated: 1, conflationUnknown: 0 },
  },
  {
    fact: 'null is a field that did not come',
    updates: [first, { key: 'IBM', 3: null, 8: 101, 9: null, 35: null }],
    trades: [[10, 1, false]],
    counts: {},
  },
  {
    fact: 'a rejected update changes nothing',
    updates: [first, { key: 'IBM', 3: 99, 8: -1 }, { key: 'IBM', 8: 101 }],
    trades: [[10, 1, false]],
    counts: { trades: 1 },
  },
])('$fact', ({ updates, trades, counts }) => {
  const messages = updates.map((update) =>
    JSON.stringify({ data: [{ service: 'LEVELONE_EQUITIES', timestamp, command: 'SUBS', content: [update] }] }),
  );

  it('whether in one message or in several, stopped anywhere or not', () => {
    const one = JSON.stringify({ data: [{ service: 'LEVELONE_EQUITIES', timestamp, command: 'SUBS', content: updates }] });
    for (const text of [messages.join('\n'), one]) {
      const reading = read(schwab, text);
      expect(reading.trades.map(({ price, size }, i) => [price, size, reading.isConflated[i]])).toEqual(trades);
      expect(reading.counts).toMatchObject(counts);
      for (let resumeAt = 1; resumeAt < 6; resumeAt++) expect(read(schwab, text, [50, 150, 250, 350, 450, 550], resumeAt)).toEqual(reading);
    }
  });
});

it('times a trade with its trade time, and with its message where there is none', () => {
  const updates = [first, { key: 'IBM', 8: 101, 35: 1_726_233_000_000 }, { key: 'IBM', 8: 102, 35: 0 }, { key: 'IBM', 8: 103 }];
  const { trades } = read(schwab, JSON.stringify({ data: [{ service: 'LEVELONE_EQUITIES', timestamp, content: updates }] }));
  expect(trades.map(({ eventTimeMs }) => eventTimeMs)).toEqual([1_726_233_000_000, timestamp, timestamp]);
});

it('counts what it ignores by name, and not without end', () => {
  const others = Array.from({ length: 200 }, (_, i) => JSON.stringify({ data: [{ service: `S${i}`, content: [] }] }));
  const { counts, rejected } = read(
    schwab,
    [
      '{"notify":[{"heartbeat":"1"}]}',
      '{"response":[{"service":"ADMIN"}]}',
      '{"data":[{"service":"CHART_EQUITY","content":[]}]}',
      ...others,
    ].join('\n'),
  );
  expect(rejected).toEqual([]);
  expect(counts).toMatchObject({ messages: 203, ignored: 203, 'ignored:notify': 1, 'ignored:response': 1, 'ignored:CHART_EQUITY': 1 });
  expect(Object.keys(counts).length).toBeLessThan(70);
});
