import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { bundles } from './bundles.ts';
import { consumer } from './consumer.ts';
import { deliveries } from './deliveries.ts';
import { duckdb, polars } from './engines.ts';
import { feedRows } from './feeds.ts';
import { indicatorRows } from './indicators.ts';
import { load } from './load.ts';
import { memory } from './memory.ts';
import { packed } from './packed.ts';
import { replay } from './replay.ts';
import { rx } from './rx.ts';
import { disorder, symbols } from './scale.ts';
import { state } from './state.ts';
import { type Goal, type Measure, type Settings, type Suite, type Verdict, verdictOf } from './suite.ts';

const suites: readonly Suite[] = [
  packed,
  polars,
  duckdb,
  rx,
  replay,
  feedRows,
  indicatorRows,
  symbols,
  disorder,
  state,
  memory,
  consumer,
  load,
  bundles,
  deliveries,
];

const verdicts: Record<Verdict, string> = { aim: 'aim met', goal: 'met', missed: 'MISSED', short: 'short of it' };

const help = `Usage: npm run bench -- [options]

Races Tapeline against what one would use instead, on the same trades in one process, and compares the answers.

  --only NAME   one of ${suites.map(({ name }) => name).join(', ')}; may be repeated
  --trades N    trades of the main market, 10,000 or more (default 5,000,000)
  --rounds N    rounds of each race (default 7)
  --json        one JSON document on standard output
  --help

${suites.map(({ name, summary }) => `  ${name.padEnd(12)}${summary}`).join('\n')}

Example: npm run bench -- --only packed --trades 1000000
`;

await main();

async function main(): Promise<void> {
  const options = optionsOf(process.argv.slice(2));
  if (typeof options === 'string') {
    process.stderr.write(`${options}; see npm run bench -- --help\n`);
    process.exitCode = 2;
    return;
  }
  if (options.isHelp) {
    process.stdout.write(help);
    return;
  }
  const results: { readonly suite: string; readonly measures: readonly Measure[] }[] = [];
  for (const { name, run } of options.suites) {
    const progress = (text: string) => process.stderr.write(`${name}: ${text}\n`);
    try {
      const measures = await run({ ...options.settings, progress });
      results.push({ suite: name, measures });
      if (!options.isJson) process.stdout.write(tableOf(name, measures));
    } catch (error) {
      // The others can still be measured: a package of one platform may be missing.
      process.stderr.write(`${name} failed: ${(error as Error).stack}\n`);
      process.exitCode = 1;
    }
  }
  if (options.isJson) process.stdout.write(`${JSON.stringify({ machine: machine(), ...options.settings, results })}\n`);
}

type Options = {
  readonly isHelp: boolean;
  readonly isJson: boolean;
  readonly suites: readonly Suite[];
  readonly settings: Omit<Settings, 'progress'>;
};

/** What is wrong with them, as text, when they cannot be used. */
function optionsOf(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        only: { type: 'string', multiple: true },
        trades: { type: 'string', default: '5000000' },
        rounds: { type: 'string', default: '7' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const unknown = values.only?.find((name) => !suites.some((suite) => suite.name === name));
    const tradeCount = Number(values.trades.replaceAll(/[,_]/g, ''));
    const rounds = Number(values.rounds);
    if (unknown !== undefined) return `--only must be one of ${suites.map(({ name }) => name).join(', ')}, received "${unknown}"`;
    if (!Number.isInteger(tradeCount) || tradeCount < 10_000)
      return `--trades must be a whole number of 10,000 or more, received "${values.trades}"`;
    if (!Number.isInteger(rounds) || rounds < 1) return `--rounds must be a whole number of 1 or more, received "${values.rounds}"`;
    return {
      isHelp: values.help,
      isJson: values.json,
      suites: values.only === undefined ? suites : suites.filter(({ name }) => values.only?.includes(name)),
      settings: { tradeCount, rounds },
    };
  } catch (error) {
    return (error as Error).message;
  }
}

function machine(): string {
  return `${cpus()[0]?.model.trim()}, ${cpus().length} cores, Node ${process.versions.node}, ${process.platform} ${process.arch}`;
}

function tableOf(name: string, measures: readonly Measure[]): string {
  const rows = measures.map((measure) => {
    const { what, ours, theirs, unit, ratio, goal } = measure;
    const numbers = [
      shortened(ours),
      theirs === undefined ? '' : shortened(theirs),
      unit,
      ratio === undefined ? '' : `${ratio.toFixed(2)}×`,
    ];
    const verdict = verdictOf(measure);
    return [what, ...numbers, goal === undefined ? '' : goalText(goal), verdict === undefined ? '' : verdicts[verdict]];
  });
  const all = [[name, 'ours', 'other', '', 'ratio', 'goal', ''], ...rows];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => (row[column] as string).length))) ?? [];
  const line = (row: readonly string[]) =>
    row.map((cell, column) =>
      column === 0 || column === 3 ? cell.padEnd(widths[column] as number) : cell.padStart(widths[column] as number),
    );
  return `${all.map((row) => line(row).join('  ').trimEnd()).join('\n')}\n\n`;
}

function goalText(goal: Goal): string {
  if ('aimAtMost' in goal) return `aim ≤ ${goal.aimAtMost}`;
  return 'atLeast' in goal ? `≥ ${goal.atLeast}, aim ${goal.aim}` : `≤ ${goal.atMost}, aim ${goal.aim}`;
}

function shortened(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}
