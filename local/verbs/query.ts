import type { Command } from 'commander';
import { queryCommand } from '../query.ts';
import type { Session } from './session.ts';
import { defaultStateFolder, examples } from './shared-options.ts';

export function addQuery(program: Command, session: Session): void {
  program
    .command('query')
    .description('Ask the history in SQL: tables bars, signals, trades, late, quarantine. Works while a run is writing.')
    .argument('[sql]', 'one statement that reads')
    .option('--state <dir>', 'the state folder', defaultStateFolder)
    .option('--on <place>', 'local, or the history of a deployment: athena, timestream', 'local')
    .option('--stack <name>', 'the deployment that is asked (default: Tapeline)')
    .option('--database <name>', "the history's database (default: as the stack says)")
    .option('--work-group <name>', "Athena's workgroup (default: as the stack says)")
    .option('--export-parquet <dir>', 'write every table as a Parquet file instead')
    .option('--json', 'print {columns, rows}')
    .option('--csv', 'print CSV')
    .addHelpText(
      'after',
      examples([
        'tapeline query "select symbol, count(*) n from bars group by symbol order by n desc limit 5"',
        'tapeline query "select * from signals" --csv',
        'tapeline query --on athena "select symbol, price, size from trades where symbol = \'IBM\' limit 10"',
        'tapeline query --export-parquet history/',
      ]),
    )
    .action((sql, options) => session.finish(queryCommand({ ...options, sql, ...session })));
}
