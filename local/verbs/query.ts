import type { Command } from 'commander';
import { queryCommand } from '../query.ts';
import type { Session } from './session.ts';
import { defaultStateFolder, examples } from './shared-options.ts';

export function addQuery(program: Command, session: Session): void {
  program
    .command('query')
    .description('Ask the history in SQL: tables bars, signals, late, quarantine. Works while a run is writing.')
    .argument('[sql]', 'one statement that reads')
    .option('--state <dir>', 'the state folder', defaultStateFolder)
    .option('--export-parquet <dir>', 'write every table as a Parquet file instead')
    .option('--json', 'print {columns, rows}')
    .option('--csv', 'print CSV')
    .addHelpText(
      'after',
      examples([
        'tapeline query "select symbol, count(*) n from bars group by symbol order by n desc limit 5"',
        'tapeline query "select * from signals" --csv',
        'tapeline query --export-parquet history/',
      ]),
    )
    .action((sql, options) => session.finish(queryCommand({ ...options, sql, ...session })));
}
