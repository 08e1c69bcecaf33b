import { describe, expect, it } from 'vitest';
import { deploymentOptionsOf } from '../../core/config.ts';
import { loadOf } from '../../local/cost/load.ts';
import { type Month, monthOf } from '../../local/cost/month.ts';
import { priceTable } from '../../local/cost/prices.ts';
import { loadConfig, pipelineFor } from '../../local/options.ts';
import { root } from '../house/project.ts';
import { tapeline } from '../local/tapeline.ts';

describe('tapeline cost', () => {
  const run = (...args: string[]) => tapeline(['cost', ...args], { cwd: root });

  it('prints one document with --json, the same month as the text', async () => {
    const [json, text] = await Promise.all([run('--json', '--symbols', '300'), run('--symbols', '300')]);
    const printed = JSON.parse(json.stdout) as Month & { region: string; pricesOf: string; assumptions: string[] };
    expect(printed).toMatchObject({ region: 'us-east-1', pricesOf: priceTable.date });
    const deployment = deploymentOptionsOf(await loadConfig(undefined));
    expect(printed.usd).toBeCloseTo(monthOf(loadOf({ pipeline: await pipelineFor({}), deployment, symbols: 300 })).usd, 6);
    const total = /^to pay +([\d.,]+)$/m.exec(text.stdout)?.[1];
    expect(Number(total)).toBeCloseTo(printed.billedUsd, 2);
    for (const { what } of printed.lines) expect(text.stdout).toContain(what);
    for (const assumption of printed.assumptions) expect(text.stdout).toContain(assumption);
  });

  it.each([
    [['--gb-per-day', '4', '--trades-per-day', '5'], 'give --trades-per-day or --gb-per-day, received both'],
    [['--gb-per-day', 'x'], '--gb-per-day must be a number, received "x"'],
    [['--hours-per-day', '25'], '--hours-per-day must be a number from 0.1 to 24, received "25"'],
    [['--flush-every', '5'], '--flush-every must be a number from 10 to 60000, received "5"'],
    [['--shards', '0'], '--shards must be a whole number from 1 to 9999, received "0"'],
    [['--buckets', '100000'], '--buckets must be a whole number from 1 to 4096, received "100000"'],
    [['--history', 'parket'], '--history must be one of parquet, timestream, none, received "parket"'],
    [['--config', 'nowhere.ts'], 'config file "nowhere.ts" does not exist'],
  ])('refuses %j as wrong usage', async (args, message) => {
    const { exitCode, stdout, stderr } = await run(...args);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });
});
