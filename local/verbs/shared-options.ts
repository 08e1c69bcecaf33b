import type { Command } from 'commander';
import { formats } from '../../adapters/feeds/formats.ts';

export const feedNames = formats.map(({ name }) => name);
export const defaultStateFolder = '.tapeline';

/** The options that every verb with a feed takes. */
export function withSharedOptions(command: Command, feeds: readonly string[]): Command {
  const collect = (value: string, previous: string[] | undefined) => [...(previous ?? []), value];
  return command
    .option('--feed <name>', `how the input is read: ${feeds.join(', ')} (default: ndjson)`)
    .option('--config <file>', 'the config (default: tapeline.config.ts here, else the one that comes with Tapeline)')
    .option('--interval <interval>', 'the bars: 1s, 5s, 1m, 5m, 1h, 1d; repeat for more, strategies use the first', collect)
    .option('--strategy <name>', 'a strategy by name or file; repeat for more, none for bars only', collect)
    .option('--out-of-orderness <ms>', 'how far trades may come out of order (default: 2000)')
    .option('--allowed-lateness <ms>', 'how long a closed bar is still corrected (default: 60000)')
    .option('--conditions <profile>', 'which sale conditions make prices: all, sip or sip+extended (default: all)')
    .option('--empty-windows <policy>', 'none, or carry the last close into windows without trades (default: none)')
    .option('--buckets <n>', 'parts of the market with a state of their own (default: 16)')
    .option('--symbols <list>', 'only these symbols, such as IBM,AAPL')
    .option('--from <time>', 'only trades from this time on, ISO 8601 or Unix ms')
    .option('--to <time>', 'only trades before this time')
    .option('--strict', 'exit with 3 when some of the input was quarantined')
    .option('--json', 'print the summary as one JSON document')
    .exitOverride();
}

/** The last part of a verb's help. */
export function examples(lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line.replace(/\btapeline (?=[a-z])/g, 'npx tapeline ')}`).join('\n')}`;
}
