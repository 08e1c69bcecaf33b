import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formats } from '../../adapters/feeds/formats.ts';
import { deploymentOptionsOf, pipelineOptionsOf, type TapelineConfig } from '../../core/config.ts';
import { frameReasons, lineReasons, signalGuards, strategyReasons } from '../../core/reasons.ts';
import { guardsOf } from '../../core/signals.ts';
import { compileStrategies, defineStrategy } from '../../core/strategy.ts';
import { calendarOf } from '../../core/calendar.ts';
import { exitCodes } from '../../local/exit.ts';
import { root } from '../house/project.ts';
import { tapeline } from '../local/tapeline.ts';
import { pageNamed, tableOf } from './pages.ts';

let folder = '';
const options = () => ({ cwd: folder, env: { NODE_COMPILE_CACHE: join(folder, 'compiled') } });
const firstOf = (path: string, ...header: string[]) => tableOf(pageNamed(path), ...header).map(([name]) => name as string);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tapeline-tables-'));
  const market =
    'simulate --symbols 20 --rate 20 --seconds 1800 --out-of-order-ms 1500 --late-share 0.01 --duplicates 0.01 --bad 0.01 --output in.ndjson';
  await tapeline(market.split(' '), options());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('docs/config.md', () => {
  const rows = tableOf(pageNamed('docs/config.md'), 'option', 'default');

  it('has every option of the config, in its order', () => {
    const source = readFileSync(join(root, 'core/config.ts'), 'utf8').split('/** Checks a config')[0] as string;
    const options = [...source.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name]) => name);
    expect(options.length).toBeGreaterThan(10);
    expect(rows.map(([name]) => name)).toEqual(options);
  });

  it.each(rows.map(([name = '', value = '']) => [name, value] as const))('says the default of %s: %s', (name, text) => {
    const value: unknown = JSON.parse(text.replaceAll("'", '"').replace(/(?<=\d),(?=\d{3})/g, ''));
    const config = { [name]: value } as TapelineConfig;
    expect([pipelineOptionsOf(config), deploymentOptionsOf(config)]).toEqual([pipelineOptionsOf({}), deploymentOptionsOf({})]);
  });

  it('has every option of the command line that replay and run share', async () => {
    const optionsOf = async (verb: string) =>
      [...(await tapeline([verb, '--help'], options())).stdout.matchAll(/^ {2}(--[\w-]+)/gm)].map(([, name]) => name);
    const ofRun = await optionsOf('run');
    const shared = (await optionsOf('replay')).filter((name) => ofRun.includes(name) && name !== '--state');
    expect(firstOf('docs/config.md', 'command line').map((text) => text.split(' ')[0])).toEqual(shared);
  });
});

describe('docs/quarantine.md', () => {
  it.each([
    ['line', lineReasons],
    ['tape record', frameReasons],
    ['strategy', strategyReasons],
  ] as const)('explains every reason of a %s, in the order of the closed list', (what, reasons) => {
    expect(firstOf('docs/quarantine.md', `reason (${what})`)).toEqual(reasons);
  });

  it('says what each means and what to do', () => {
    for (const what of ['line', 'tape record', 'strategy']) {
      for (const cells of tableOf(pageNamed('docs/quarantine.md'), `reason (${what})`)) {
        expect(cells).toHaveLength(3);
        for (const cell of cells) expect(cell.length).toBeGreaterThan(7);
      }
    }
  });
});

describe('docs/strategies.md', () => {
  it('has every indicator', () => {
    let made: string[] = [];
    const strategy = defineStrategy('looks', (builder) => {
      const helpers = new Set(['bar', 'timeframe', 'above', 'below', 'crossedAbove', 'crossedBelow', 'buy', 'sell', 'hold']);
      made = Object.keys(builder).filter((name) => !helpers.has(name));
      return () => builder.hold();
    });
    compileStrategies([strategy], { windowSizesMs: [60_000], calendar: calendarOf('always'), generation: '1' });
    const documented = firstOf('docs/strategies.md', 'indicator').map((text) => text.split('(')[0] as string);
    expect(documented.toSorted()).toEqual(made.toSorted());
  });

  it('has every guard option with its default', () => {
    const rows = tableOf(pageNamed('docs/strategies.md'), 'guard option', 'default');
    expect(Object.fromEntries(rows.map(([name, value]) => [name, value]))).toEqual(
      Object.fromEntries(Object.entries(guardsOf({})).map(([name, value]) => [name, String(value)])),
    );
  });

  it('says what each guard stops', () => {
    expect(firstOf('docs/strategies.md', 'suppressed by')).toEqual([...signalGuards]);
  });
});

describe('docs/feeds.md', () => {
  it('has every feed', () => {
    expect(firstOf('docs/feeds.md', '--feed')).toEqual([...formats.map(({ name }) => name), 'tape']);
  });
});

describe('docs/outputs.md', () => {
  it('has every field of the summary and of each output, in their order', async () => {
    const outputs = ['bars', 'signals', 'late', 'quarantine'] as const;
    const files = outputs.flatMap((name) => [`--${name}`, `${name}.ndjson`]);
    const { stdout } = await tapeline(['replay', 'in.ndjson', '--json', '--interval', '10s', ...files], options());
    const summary = Object.entries(JSON.parse(stdout)).flatMap(([name, value]) =>
      ['quarantined', 'signals', 'digest'].includes(name) ? Object.keys(value as object).map((inner) => `${name}.${inner}`) : [name],
    );
    expect(firstOf('docs/outputs.md', 'summary')).toEqual(summary);
    for (const name of outputs) {
      const line = readFileSync(join(folder, `${name}.ndjson`), 'utf8').split('\n')[0] as string;
      expect(firstOf('docs/outputs.md', `field (${name})`)).toEqual(Object.keys(JSON.parse(line)));
    }
  });

  it('has every exit code', () => {
    const codes = firstOf('docs/outputs.md', 'exit code').map(Number);
    expect(codes).toEqual(Object.values(exitCodes));
  });
});
