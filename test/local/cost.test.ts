import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deploymentOptionsOf } from '../../core/config.ts';
import { type LoadOptions, loadOf } from '../../local/cost/load.ts';
import { type Line, type Month, monthOf, parts } from '../../local/cost/month.ts';
import { priceTable } from '../../local/cost/prices.ts';
import { loadConfig, pipelineFor } from '../../local/options.ts';
import { pageNamed, tableOf } from '../docs/pages.ts';

const config = await loadConfig(undefined);
const pipeline = await pipelineFor({});
const deployment = deploymentOptionsOf(config);
const month = (options: Partial<LoadOptions> = {}): Month => monthOf(loadOf({ pipeline, deployment, ...options }));
const usdOf = ({ lines }: Month, what: string): number => {
  const line = lines.find((line) => line.what === what);
  if (line === undefined) throw new Error(`there is no line "${what}"`);
  return line.usd;
};

describe('what 1,500 tickers and 4 GB a day cost by the list, around the clock, checkpoints of three strategies included', () => {
  it('is the load that the shipped config is for', () => {
    const { load } = month();
    expect([load.strategies, load.symbols, load.tradesPerDay, load.hoursPerDay, load.days]).toEqual([3, 1_500, 40_000_000, 24, 30]);
    expect([load.shards, load.buckets]).toEqual([2, 16]);
  });

  it.each([
    ['parquet', {}, 60],
    ['timestream', { history: 'timestream' }, 140],
    ['parquet, a hundred times as much', { scale: 100 }, 2_100],
    ['parquet, in the hours of an exchange', { hoursPerDay: 6.5, days: 21 }, 60],
    ['parquet, a hundred times as much in the hours of an exchange', { scale: 100, hoursPerDay: 6.5, days: 21 }, 2_100],
  ] as const)('%s', (_, options, usdMax) => {
    expect(month(options).usd).toBeLessThanOrEqual(usdMax);
  });
});

describe('months reckoned by hand', () => {
  // 40 M trades a day are 463 a second: 58 in a frame of each of 16 buckets, a frame in two seconds.
  it.each([
    ['Kinesis shards', 2 * 730 * 0.015, {}],
    ['Kinesis puts', (16 * 43_200 * 30 * 1 * 0.014) / 1e6, {}],
    ['Kinesis puts', (16 * 4 * 86_400 * 30 * 1 * 0.014) / 1e6, { flushEveryMs: 250 }],
    // A read of each shard in two seconds, and the end of a window in 300.
    ['Lambda requests', (2 * (43_200 + 288) * 30 * 0.2) / 1e6, {}],
    // 0.0187 signals a bar and strategy, 1,500 bars a minute.
    ['EventBridge events', (0.0187 * 3 * 1_500 * 60 * 24 * 30) / 1e6, {}],
    ['SNS messages', (0.0187 * 3 * 1_500 * 60 * 24 * 30 * 0.5) / 1e6, {}],
    // A frame of 2 KB counts as 5 KB.
    ['Firehose, trades', 16 * 43_200 * 30 * 5_120e-9 * 0.029, {}],
    // Each minute's close and each fifth minute's window, a put for each bucket.
    ['S3 puts of states', (16 * (60 + 12) * 24 * 30 * 0.005) / 1_000, {}],
    // The head in a transaction: two units for its KB.
    ['DynamoDB writes of heads', (16 * (60 + 12) * 24 * 30 * 2 * 0.625) / 1e6, {}],
    ['CloudWatch dashboard', 3, {}],
    ['KMS key', 1, {}],
    ['Kinesis shards', 2 * 730 * 0.015, { hoursPerDay: 6.5, days: 21 }],
    ['EventBridge events', (0.0187 * 3 * 1_500 * 60 * 6.5 * 21) / 1e6, { hoursPerDay: 6.5, days: 21 }],
    // At the peak 10 × 46,296 trades of 34 bytes: 15.6 MB a second, and a third to spare.
    ['Kinesis shards', 21 * 730 * 0.015, { scale: 100 }],
    // A frame of 1,916 bytes counts as 2 KB.
    ['Kinesis in', 16 * 43_200 * 30 * 2_048e-9 * 0.08, { shards: 'on-demand' }],
    ['Kinesis stream', 730 * 0.04, { shards: 'on-demand' }],
  ] as const)('%s: $%d %j', (what, usd, options) => {
    expect(usdOf(month(options), what)).toBeCloseTo(usd, 6);
  });

  it('of a market of few trades: no bar without a trade', () => {
    const quiet = month({ tradesPerDay: 1_000 });
    expect(usdOf(quiet, 'EventBridge events')).toBeCloseTo((0.0187 * 3 * 1_000 * 30) / 1e6, 9);
  });

  it('of a config without strategies: no signals, small states', () => {
    const bare = { ...pipeline, strategies: { ...pipeline.strategies, names: [], slotsPerSymbol: 0 } };
    const { lines, byPart } = month({ pipeline: bare });
    expect(byPart.signals).toBe(0);
    expect(lines.filter(({ what }) => what.includes('outbox'))).toEqual([]);
  });
});

describe('any month', () => {
  const loads = fc
    .record({
      tradesPerDay: fc.integer({ min: 1_000, max: 10_000_000_000 }),
      symbols: fc.integer({ min: 1, max: 300_000 }),
      hoursPerDay: fc.double({ min: 0.5, max: 24, noNaN: true }),
      days: fc.integer({ min: 1, max: 31 }),
      history: fc.constantFrom('parquet', 'timestream', 'none'),
      shards: fc.option(fc.constantFrom(1, 2, 40, 'on-demand' as const), { nil: undefined }),
      buckets: fc.option(fc.integer({ min: 1, max: 1_024 }), { nil: undefined }),
    })
    .map((load): Partial<LoadOptions> => ({ ...load, history: load.history as 'parquet' }));

  it('is the sum of its parts, each the sum of its lines, each its factors at its price, and none below zero', () => {
    fc.assert(
      fc.property(loads, (options) => {
        const { lines, byPart, usd, freeUsd, billedUsd } = month(options);
        const sum = (numbers: readonly number[]) => numbers.reduce((total, value) => total + value, 0);
        for (const { factors, quantity, price, usd } of lines) {
          expect(quantity).toBe(factors.reduce((product, [value]) => product * value, 1));
          expect(usd).toBe((quantity / priceTable.prices[price].per) * priceTable.prices[price].usd);
          expect(usd).toBeGreaterThan(0);
        }
        for (const part of parts) expect(byPart[part]).toBeCloseTo(sum(lines.filter((line) => line.part === part).map(usdOfLine)), 6);
        expect(usd).toBeCloseTo(sum(Object.values(byPart)), 4);
        expect(billedUsd).toBe(usd - freeUsd);
        expect(freeUsd).toBeGreaterThanOrEqual(0);
        expect(billedUsd).toBeGreaterThanOrEqual(-1e-9);
      }),
    );
  });

  it.each([
    ['trades', (load: Partial<LoadOptions>) => ({ ...load, tradesPerDay: (load.tradesPerDay as number) * 2 })],
    ['symbols', (load: Partial<LoadOptions>) => ({ ...load, symbols: (load.symbols as number) * 2 })],
    ['days', (load: Partial<LoadOptions>) => ({ ...load, days: Math.min(31, (load.days as number) + 1) })],
    ['shards', (load: Partial<LoadOptions>) => ({ ...load, shards: 40 })],
  ] as const)('costs no less with more %s', (_, more) => {
    fc.assert(
      fc.property(loads, (load) => {
        const before = { ...load, shards: typeof load.shards === 'number' ? Math.min(load.shards, 40) : 2, buckets: load.buckets ?? 64 };
        // More shards hold more of the states between reads, and may save more than they cost.
        if (_ === 'shards' && month(before).lines.some(({ factors }) => factors.some(([, of]) => of.includes('does not fit')))) return;
        expect(month(more(before)).usd).toBeGreaterThanOrEqual(month(before).usd - 1e-6);
      }),
    );
  });

  it('pays for keeping whatever it is told to keep', () => {
    expect(month({ history: 'none' }).byPart.history).toBe(0);
    expect(month({ history: 'parquet' }).usd).toBeLessThan(month({ history: 'timestream' }).usd);
  });

  it('pays for deliveries only when there are endpoints', () => {
    expect(month().byPart.webhooks).toBe(0);
    const deliver = [{ kind: 'webhook', name: 'a', url: 'https://example.com/' } as const];
    expect(month({ deliver }).byPart.webhooks).toBeGreaterThan(10);
  });
});

describe('the table of prices', () => {
  it('says of every price where it is from, and is used whole', () => {
    for (const { usd, per, page } of Object.values(priceTable.prices)) {
      expect(usd).toBeGreaterThan(0);
      expect(per).toBeGreaterThan(0);
      expect(page).toMatch(/^https:\/\/aws[.]amazon[.]com\/[a-z0-9/-]+\/pricing\//);
    }
    const deliver = [{ kind: 'webhook', name: 'a', url: 'https://example.com/' } as const];
    const used = [{}, { history: 'timestream' } as const, { shards: 'on-demand' } as const].flatMap((options) =>
      month({ ...options, deliver }).lines.map(({ price }: Line) => price),
    );
    expect(Object.keys(priceTable.prices).filter((name) => !used.includes(name as Line['price']))).toEqual([]);
  });
});

describe('docs/cost.md', () => {
  it('has what comes out', () => {
    const shown = tableOf(pageNamed('docs/cost.md'), 'load', 'history', 'by the list').map(([, , ...dollars]) =>
      dollars.map((text) => Number(text.replace(',', ''))),
    );
    const exchange = { hoursPerDay: 6.5, days: 21 };
    const options = [{}, { history: 'timestream' } as const, exchange, { scale: 100 }, { ...exchange, scale: 100 }];
    expect(shown).toEqual(options.map((of) => [month(of).usd, month(of).billedUsd].map(Math.round)));
  });

  it('has the levers right: what they say is cheaper is, and one shard is not', () => {
    const text = pageNamed('docs/cost.md').text;
    const usd = Math.round(month().usd);
    for (const cheaper of [{ buckets: 8 }, { flushEveryMs: 4_000 }]) expect(month(cheaper).usd).toBeLessThan(usd - 3);
    expect(text).toContain(`With 250 ms instead of 2 s the month above costs ${Math.round(month({ flushEveryMs: 250 }).usd)}`);
    expect(text).toContain(`costs more than two**, ${Math.round(month({ shards: 1 }).usd)} dollars instead of ${usd}`);
    const more = (options: Parameters<typeof month>[0]) => Math.round(month(options).usd - month().usd);
    const deliver = [{ kind: 'webhook', name: 'a', url: 'https://example.com/' } as const];
    expect(text).toContain(`costs ${more({ shards: 'on-demand' })} dollars more at 1×`);
    expect(text).toContain(`that gets every signal ${more({ deliver })}`);
  });
});

function usdOfLine({ usd }: Line): number {
  return usd;
}
