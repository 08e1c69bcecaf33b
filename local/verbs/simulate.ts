import type { Command } from 'commander';
import { simulateCommand, type SimulateOptions } from '../simulate.ts';
import type { Session } from './session.ts';
import { examples } from './shared-options.ts';

export function addSimulate(program: Command, session: Session): void {
  program
    .command('simulate')
    .description('Write a seeded market as NDJSON.')
    .option('--symbols <n>', 'how many tickers', '1500')
    .option('--rate <n>', 'trades per second over all of them', '460')
    .option('--seconds <n>', 'how much of the market’s time passes', '60')
    .option('--seed <n>', 'the same seed gives the same bytes', '7')
    .option('--start <time>', 'when the market opens, ISO 8601 or Unix ms (default: 2024-01-02T14:30:00Z)')
    .option('--out-of-order-ms <ms>', 'how far trades arrive out of order')
    .option('--late-share <share>', 'share of trades that come minutes late, 0 to 1')
    .option('--duplicates <share>', 'share of trades that arrive twice, 0 to 1')
    .option('--bad <share>', 'lines that are no trades, for each trade, 0 to 1')
    .option('--output <file>', 'write to a file instead of standard output')
    .option('--pace', 'give each trade when its time has come')
    .option('--json', 'the counts as JSON: on standard output with --output, else on standard error')
    .addHelpText(
      'after',
      examples([
        'tapeline simulate --symbols 1500 --rate 460 --seconds 60 --seed 7 > trades.ndjson',
        'tapeline simulate --bad 0.01 --duplicates 0.01 --late-share 0.001 --output trades.ndjson --json',
      ]),
    )
    .action((options: SimulateOptions) => session.finish(simulateCommand({ ...options, ...session })));
}
