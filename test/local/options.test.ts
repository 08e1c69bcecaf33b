import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatOf } from '../../adapters/feeds/formats.ts';
import { defineTapeline, type TapelineConfig } from '../../core/config.ts';
import { exitCodes, explain } from '../../local/exit.ts';
import { filterFor, numberOf, pipelineFor, type SharedOptions } from '../../local/options.ts';
import { Progress } from '../../local/progress.ts';
import { replay } from '../../local/replay.ts';
import { openFileSource } from '../../local/source.ts';

let folder = '';
const inFolder = (name: string) => join(folder, name);
const core = pathToFileURL(resolve(import.meta.dirname, '..', '..', 'core')).href;

const files = {
  'throws.config.ts': `throw new Error('the password file is missing');`,
  'nothing.config.ts': `export const config = {};`,
  'number.config.ts': `export default 7;`,
  'syntax.config.ts': `export default {`,
  'key.config.ts': `export default { intervall: '5m' };`,
  'calendar.config.ts': `import { defineTapeline } from '${core}/config.ts'; export default defineTapeline({ calendar: 'us-equites' });`,
  'throws.strategy.ts': `throw new Error('no model here');`,
  'nothing.strategy.ts': `export const strategy = 1;`,
  'number.strategy.ts': `export default 7;`,
  'build.strategy.ts': strategySource('builds', `throw new RangeError('no such indicator')`),
  'answer.strategy.ts': strategySource('answers', `return 'buy'`),
  'timeframe.strategy.ts': strategySource('timeframes', `timeframe('5m'); return () => hold();`),
  'thirtieth.strategy.ts': strategySource(
    'thirtieth',
    `return () => { if (++thirtieth.bars === 30) throw new Error('the thirtieth bar was too much'); return hold(); };`,
  ),
  'nonsense.strategy.ts': strategySource('nonsense', `return () => 'buy';`),
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tapeline-options-'));
  for (const [name, source] of Object.entries(files)) writeFileSync(inFolder(name), source);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('an option that cannot be used', () => {
  it.each<SharedOptions & { says: string }>([
    { interval: ['7x'], says: 'an interval must be a whole number of s, m, h or d from 1s to 1d, such as "5m", received "7x"' },
    { interval: [''], says: 'received ""' },
    { interval: ['0s'], says: 'received "0s"' },
    { interval: ['2d'], says: 'received "2d"' },
    { interval: ['1m', '1.5m'], says: 'received "1.5m"' },
    { interval: ['1m,'], says: 'received ""' },
    { interval: ['-1m'], says: 'received "-1m"' },
    { strategy: ['none', 'none'], says: '--strategy none stands alone, received "none", "none"' },
    { strategy: ['ema-cross', 'none'], says: '--strategy none stands alone, received "ema-cross", "none"' },
    { strategy: ['ema-cross', 'ema-cross'], says: 'strategies must have names of their own, received "ema-cross" twice' },
    { strategy: ['ema-kross'], says: 'there is no strategy "ema-kross"; did you mean "ema-cross"? Known: ' },
    { strategy: [''], says: 'there is no strategy ""' },
    { strategy: ['../../package'], says: 'strategy file "../../package" does not exist' },
    { strategy: ['./nowhere.ts'], says: 'strategy file "./nowhere.ts" does not exist' },
    { outOfOrderness: 'long', says: '--out-of-orderness must be a number, received "long"' },
    { outOfOrderness: '-1', says: 'outOfOrdernessMs must be a whole number from 0 to 86400000, received "-1"' },
    { outOfOrderness: '1e3', says: '--out-of-orderness must be a number, received "1e3"' },
    { allowedLateness: '1.5', says: 'allowedLatenessMs must be a whole number from 0 to 604800000, received "1.5"' },
    { allowedLateness: '', says: '--allowed-lateness must be a number, received ""' },
    { allowedLateness: '9999999999', says: 'received "9999999999"' },
    { buckets: '0', says: 'buckets must be a whole number from 1 to 4096, received "0"' },
    { buckets: '4097', says: 'received "4097"' },
    { buckets: '2.5', says: 'received "2.5"' },
    { buckets: '0x10', says: '--buckets must be a number, received "0x10"' },
    { conditions: 'sipp', says: 'conditions must be one of all, sip, sip+extended, received "sipp"; did you mean "sip"?' },
    { emptyWindows: 'fill', says: 'emptyWindows must be one of none, carry, received "fill"' },
    { emptyWindows: 'cary', says: 'did you mean "carry"?' },
    { symbols: '', says: '--symbols must be symbols with commas between them, such as "IBM,AAPL", received ""' },
    { symbols: ',,', says: 'received ",,"' },
    { symbols: ' , ', says: 'received " , "' },
    { from: 'yesterday', says: '--from must be Unix milliseconds or a time such as "2013-10-07T13:30:00Z", received "yesterday"' },
    { from: '2013-10-07T13:30:00', says: 'received "2013-10-07T13:30:00"' },
    { from: '2013-13-07T13:30:00Z', says: 'received "2013-13-07T13:30:00Z"' },
    { to: '1381152600.5', says: '--to must be Unix milliseconds' },
    { to: '99999999999999999999', says: '--to must be Unix milliseconds' },
    { from: '2013-02-31', says: 'received "2013-02-31"' },
    { from: '2', to: '1', says: '--from must be before --to, received "2" and "1"' },
    { from: '2013-10-07', to: '2013-10-07T00:00:00Z', says: '--from must be before --to' },
    { feed: 'nasdaq', says: 'feed must be one of ' },
    { config: 'nowhere.config.ts', says: 'nowhere.config.ts" does not exist; give a path with --config or leave the option out' },
    { config: '', says: 'config file "" does not exist' },
    { config: '.', says: 'config file "." does not exist' },
    { strategy: ['./'], says: 'strategy file "./" does not exist' },
    { config: 'throws.config.ts', says: 'cannot be loaded: the password file is missing' },
    { config: 'syntax.config.ts', says: 'syntax.config.ts" cannot be loaded: ' },
    { config: 'nothing.config.ts', says: 'must export the config: export default defineTapeline({ … })' },
    { config: 'number.config.ts', says: 'config must be an object, received "7"' },
    { config: 'key.config.ts', says: 'config has no option "intervall"; did you mean "interval"?' },
    {
      config: 'calendar.config.ts',
      says: 'calendar must be one of always, us-equities, received "us-equites"; did you mean "us-equities"?',
    },
    { strategy: ['throws.strategy.ts'], says: 'cannot be loaded: no model here' },
    { strategy: ['nothing.strategy.ts'], says: "must export a strategy: export default defineStrategy('name', …)" },
    { strategy: ['number.strategy.ts'], says: 'strategies must hold what defineStrategy returns, received "7"' },
    { strategy: ['build.strategy.ts'], says: 'no such indicator' },
    { strategy: ['answer.strategy.ts'], says: 'it must return a function that decides, received "string"' },
    { strategy: ['timeframe.strategy.ts'], says: `no bars are kept for timeframe "5m": add '5m' to intervals` },
  ])('$says', async ({ says, ...options }) => {
    const { message, exitCode } = await refusalOf(() => used(options));
    expect(message).toContain(says);
    expect(exitCode).toBe(exitCodes.wrongUsage);
    expectOneLine(message);
  });

  it.each(['many', '', '1,000', ' 1', '1 s', 'NaN', 'Infinity', '--1'])('is no number: "%s"', async (text) => {
    const { message, exitCode } = await refusalOf(async () => numberOf('--rate', text));
    expect(message).toBe(`--rate must be a number, received "${text}"`);
    expect(exitCode).toBe(exitCodes.wrongUsage);
  });
});

it('symbols may have blanks between them', () => {
  expect(filterFor({ symbols: ' IBM, BRK.B,,AAPL' }).symbols).toEqual(new Set(['IBM', 'BRK.B', 'AAPL']));
});

describe('a config that cannot be used', () => {
  it.each<{ config: unknown; says: string }>([
    { config: undefined, says: 'config must be an object, received "undefined"' },
    { config: null, says: 'received "null"' },
    { config: { interval: 5 }, says: 'received "5"' },
    { config: { intervals: '7' }, says: 'received "7"' },
    { config: { intervals: ['5m', '7x'] }, says: 'received "7x"' },
    { config: { strategies: {} }, says: 'strategies must be a list, received "[object Object]"' },
    { config: { strategies: [() => undefined] }, says: 'strategies must hold what defineStrategy returns' },
    { config: { calendar: 'nyse' }, says: 'calendar must be one of always, us-equities, received "nyse"' },
    { config: { windowOffsetMs: 60_000 }, says: 'window offset must be a whole number of ms smaller than the window size 60000' },
    { config: { interval: '1h', intervals: ['1s'], windowOffsetMs: 1_000 }, says: 'smaller than the window size 1000, received "1000"' },
    { config: { windowOffsetMs: 0.5 }, says: 'windowOffsetMs must be a whole number' },
    { config: { outOfOrdernessMs: '2000' }, says: 'outOfOrdernessMs must be a whole number' },
    { config: { allowedLatenessMs: Number.NaN }, says: 'received "NaN"' },
    { config: { aheadMaxMs: Number.POSITIVE_INFINITY }, says: 'received "Infinity"' },
    { config: { buckets: 0 }, says: 'buckets must be a whole number from 1 to 4096, received "0"' },
    { config: { generation: 'v 2' }, says: 'generation must be 1 to 32 letters, digits, "_" or "-", received "v 2"' },
    { config: { outOfOrderMs: 5 }, says: 'config has no option "outOfOrderMs"; did you mean "outOfOrdernessMs"?' },
  ])('$says', async ({ config, says }) => {
    const { message, exitCode } = await refusalOf(async () => defineTapeline(config as TapelineConfig));
    expect(message).toContain(says);
    expect(exitCode).toBe(exitCodes.wrongUsage);
    expectOneLine(message);
  });
});

describe('an input that cannot be read', () => {
  it.each([
    { path: 'nowhere.ndjson', says: 'received "', exitCode: exitCodes.wrongUsage },
    { path: '.', says: 'received the folder', exitCode: exitCodes.wrongUsage },
  ])('$path', async ({ path, says, exitCode }) => {
    const refusal = await refusalOf(() => openFileSource({ feed: 'ndjson', path: inFolder(path) }));
    expect(refusal).toMatchObject({ exitCode, message: expect.stringContaining(says) });
    expectOneLine(refusal.message);
  });
});

describe('a strategy that fails while it runs', () => {
  it.each([
    { file: 'thirtieth.strategy.ts', reason: 'strategy-threw', says: 'the thirtieth bar was too much', faults: 1 },
    { file: 'nonsense.strategy.ts', reason: 'strategy-invalid-decision', says: 'nonsense', faults: 2 },
  ])('$file is quarantined with its reason, and the bars go on', async ({ file, reason, says, faults }) => {
    const minutes = 80;
    const trades = Array.from({ length: minutes }, (_, minute) =>
      ['IBM', 'AAPL'].map((symbol) => JSON.stringify({ symbol, eventTimeMs: minute * 60_000, price: 100 + (minute % 7), size: 1 })),
    );
    writeFileSync(inFolder('trades.ndjson'), trades.flat().join('\n'));
    const summary = await replay({
      pipeline: await pipelineFor({ strategy: [inFolder(file)] }),
      feed: 'ndjson',
      files: [inFolder('trades.ndjson')],
      stateFolder: '',
      filter: filterFor({}),
      outputs: { quarantine: inFolder('quarantine') },
      isDigestWanted: false,
      progress: new Progress('replay', { write: () => true }),
    });
    expect(summary).toMatchObject({
      trades: 2 * minutes,
      bars: 2 * minutes,
      quarantined: { total: faults, byReason: { [reason]: faults } },
    });
    const lines = readFileSync(inFolder('quarantine'), 'utf8').trimEnd().split('\n');
    expect(lines).toHaveLength(faults);
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ reason, sample: expect.stringContaining(says) });
  });
});

/** What the verbs do with their shared options. */
async function used({ config, strategy, feed, ...options }: SharedOptions): Promise<void> {
  if (feed !== undefined) formatOf(feed);
  filterFor(options);
  await pipelineFor({
    ...options,
    ...(config === undefined ? {} : { config: config in files ? inFolder(config) : config }),
    ...(strategy === undefined ? {} : { strategy: strategy.map((name) => (name in files ? inFolder(name) : name)) }),
  });
}

async function refusalOf(work: () => Promise<unknown>): Promise<{ message: string; exitCode: number }> {
  const error = await work().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error === undefined) throw new Error('it was accepted');
  return explain(error);
}

/** For a person in a terminal: one line, lower case, no stack. */
function expectOneLine(message: string): void {
  expect(message).toMatch(/^(--)?[a-z][^\n]*$/);
  expect(message).not.toMatch(/\bat .*:\d+:\d+|\[object Promise\]/);
}

function strategySource(name: string, body: string): string {
  return `import { defineStrategy, hold } from '${core}/strategy.ts';\nconst thirtieth = { bars: 0 };\nexport default defineStrategy('${name}', ({ timeframe }) => { ${body} });\nvoid thirtieth;`;
}
