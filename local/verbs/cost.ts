import type { Command } from 'commander';
import { ConfigError } from '../../core/config-error.ts';
import { deploymentOptionsOf, historyKinds, type HistoryKind } from '../../core/config.ts';
import { loadOf } from '../cost/load.ts';
import { monthOf } from '../cost/month.ts';
import { priceTable } from '../cost/prices.ts';
import { assumptions, costText } from '../cost/report.ts';
import { exitCodes } from '../exit.ts';
import { flushEveryMs } from '../flush.ts';
import { loadConfig, numberOf, pipelineFor } from '../options.ts';
import type { Session } from './session.ts';
import { examples } from './shared-options.ts';

export function addCost(program: Command, session: Session): void {
  program
    .command('cost')
    .description('What a month of this config costs on AWS, part by part, with the quantities that it is made of. Asks nobody.')
    .option('--config <file>', 'the config (default: tapeline.config.ts here, else the one that comes with Tapeline)')
    .option('--gb-per-day <n>', 'market data a day, in trades of 100 bytes (default: 4)')
    .option('--trades-per-day <n>', 'the same, counted in trades')
    .option('--symbols <n>', 'how many trade (default: 1500)')
    .option('--hours-per-day <n>', 'that trades come (default: 24, or 6.5 by the calendar us-equities)')
    .option('--days <n>', 'of the month with trades (default: 30, or 21 by the calendar us-equities)')
    .option('--scale <n>', 'that many times the trades and the symbols')
    .option('--history <kind>', `${historyKinds.join(', ')} (default: as in the config)`)
    .option('--shards <n>', 'shards, or on-demand (default: as in the config, more where the peak needs them)')
    .option('--buckets <n>', 'buckets (default: as in the config, more where there are more shards)')
    .option('--flush-every <ms>', `how long the feed gathers trades (default: ${flushEveryMs.usual}, as it does)`)
    .option('--json', 'print the month as one JSON document')
    .addHelpText(
      'after',
      examples([
        'tapeline cost',
        'tapeline cost --history timestream',
        'tapeline cost --symbols 500 --trades-per-day 2000000',
        'tapeline cost --scale 100 --json',
      ]),
    )
    .exitOverride()
    .action((options: CostOptions) => session.finish(costVerb(options, session)));
}

type CostOptions = Partial<
  Record<
    'config' | 'gbPerDay' | 'tradesPerDay' | 'symbols' | 'hoursPerDay' | 'days' | 'scale' | 'history' | 'shards' | 'buckets' | 'flushEvery',
    string
  >
> & { readonly json?: boolean };

async function costVerb(options: CostOptions, { stdout }: Session): Promise<number> {
  const file = options.config === undefined ? {} : { config: options.config };
  const config = await loadConfig(options.config);
  const number = (option: string, text: string | undefined) => (text === undefined ? undefined : numberOf(option, text));
  const load = loadOf({
    pipeline: await pipelineFor(file),
    deployment: deploymentOptionsOf(config),
    deliver: config.deliver ?? [],
    gbPerDay: number('--gb-per-day', options.gbPerDay),
    tradesPerDay: number('--trades-per-day', options.tradesPerDay),
    symbols: number('--symbols', options.symbols),
    hoursPerDay: number('--hours-per-day', options.hoursPerDay),
    days: number('--days', options.days),
    scale: number('--scale', options.scale),
    history: historyOf(options.history),
    flushEveryMs: number('--flush-every', options.flushEvery),
    shards: options.shards === 'on-demand' ? 'on-demand' : count('--shards', options.shards, 9_999),
    buckets: count('--buckets', options.buckets, 4_096),
  });
  const month = monthOf(load);
  stdout.write(
    options.json
      ? `${JSON.stringify({ ...month, region: priceTable.region, pricesOf: priceTable.date, prices: priceTable.prices, assumptions })}\n`
      : costText(month),
  );
  return exitCodes.done;
}

function count(option: string, text: string | undefined, most: number): number | undefined {
  return text === undefined ? undefined : numberOf(option, text, { least: 1, most, isWhole: true });
}

function historyOf(text: string | undefined): HistoryKind | undefined {
  if (text === undefined || historyKinds.includes(text as HistoryKind)) return text as HistoryKind | undefined;
  throw new ConfigError(`--history must be one of ${historyKinds.join(', ')}, received "${text}"`);
}
