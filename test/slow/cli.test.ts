import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SimulationCounts } from '../../core/simulation.ts';
import { runQuery } from '../../local/query.ts';
import { tapePath } from '../../local/state-folder.ts';
import type { Summary } from '../../local/summary.ts';
import { cliPath, type Ended, factsOf, start, summaryOf, tapeline } from '../local/tapeline.ts';
import { until } from '../until.ts';

const pipeline = ['--interval', '5s', '--allowed-lateness', '240000', '--json'];
const schwabRecording = join(import.meta.dirname, '../../../shared/data/schwab/level-one-equities-2024-09-13.ndjson');
const inputOf = (name: string) => ['--input', name, '--state', `state-of-${name}`];

let folder = '';
let injected: SimulationCounts;
let expected: Summary;
let ran: Summary;

const cli = (args: readonly string[], input?: string | Uint8Array): Promise<Ended> =>
  tapeline(args, { cwd: folder, ...(input === undefined ? {} : { input }) });
const replayed = async (...args: readonly string[]) => summaryOf(await cli(['replay', ...pipeline, ...args]));
const linesOf = (name: string) => readFileSync(join(folder, name), 'latin1').trimEnd().split('\n');
const rowsOf = <T>(name: string) =>
  readFileSync(join(folder, name), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as T);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tapeline-cli-'));
  const simulated =
    '--symbols 60 --rate 200 --seconds 300 --seed 3 --out-of-order-ms 1500 --late-share 0.01 --duplicates 0.01 --bad 0.01 --json';
  injected = JSON.parse((await cli(['simulate', ...simulated.split(' '), '--output', 'trades.ndjson'])).stdout) as SimulationCounts;
  const lines = linesOf('trades.ndjson');
  const half = lines.length / 2;
  writeFileSync(join(folder, 'first.ndjson'), `${lines.slice(0, half).join('\n')}\n`, 'latin1');
  writeFileSync(join(folder, 'second.ndjson'), lines.slice(half).join('\n'), 'latin1');
  writeFileSync(join(folder, 'all.ndjson'), `${lines.filter(isTrade).join('\n')}\n`);
  [expected, ran] = await Promise.all([
    replayed('trades.ndjson'),
    cli(['run', ...inputOf('trades.ndjson'), ...pipeline]).then((ended) => summaryOf(ended)),
  ]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the help', () => {
  it.concurrent.each(['replay', 'run', 'simulate', 'query', 'start'])('of %s is on standard output, with examples', async (verb) => {
    const { exitCode, stdout, stderr } = await cli([verb, '--help']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`Examples:\\n(  .*\\n)*  (npx .*tapeline ${verb}|npm start)`));
    if (verb !== 'start') expect(stdout).toContain('--json');
    expect(Math.max(...stdout.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(120);
  });
});

describe('the summary', () => {
  it('has the fields of the contract', () => {
    const fields =
      'trades symbols volume bars revisions late quarantined duplicates feed signals firstEventTimeMs lastEventTimeMs seconds digest';
    expect(Object.keys(expected)).toEqual(expect.arrayContaining(fields.split(' ')));
    expect(Object.keys(expected.quarantined)).toEqual(['total', 'byReason']);
    expect(Object.keys(expected.signals)).toEqual(['buy', 'sell', 'suppressed']);
    expect(Object.values(expected.digest ?? {})).toEqual([
      expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    ]);
  });

  it('accounts for every line of the input', () => {
    expect(expected).toMatchObject({
      trades: injected.trades + injected.duplicates,
      symbols: injected.symbols,
      quarantined: { total: injected.bad, byReason: injected.badByReason },
      feed: { lines: injected.lines },
      firstEventTimeMs: injected.firstEventTimeMs,
      lastEventTimeMs: injected.lastEventTimeMs,
    });
    expect(expected.late).toBeGreaterThan(0);
    expect(expected.revisions).toBeGreaterThan(0);
    expect(expected.signals.buy).toBeGreaterThan(0);
    // A repeat of a trade that came too late is late again: its window, which knew the id, is gone.
    expect(expected.late).toBeLessThanOrEqual(injected.late + injected.duplicates);
    expect(expected.duplicates).toBeGreaterThan(injected.duplicates - injected.late);
    expect(expected.duplicates).toBeLessThanOrEqual(injected.duplicates);
  });

  it('is the same for the same trades in every form, and for every number of buckets', async () => {
    const bytes = readFileSync(join(folder, 'trades.ndjson'));
    writeFileSync(join(folder, 'trades.ndjson.gz'), gzipSync(bytes));
    writeFileSync(join(folder, 'trades.ndjson.zst'), zstdCompressSync(bytes));
    writeFileSync(join(folder, 'trades.csv'), csvOf(linesOf('trades.ndjson')));

    expect(factsOf(summaryOf(await cli(['replay', ...pipeline, '-'], bytes)))).toEqual(factsOf(expected));
    for (const args of [['trades.ndjson.gz'], ['trades.ndjson.zst'], ['first.ndjson', 'second.ndjson']])
      expect(factsOf(await replayed(...args))).toEqual(factsOf(expected));
    for (const buckets of ['1', '64']) expect(factsOf(await replayed('trades.ndjson', '--buckets', buckets))).toEqual(factsOf(expected));
    const { quarantined, feed: _, ...csv } = factsOf(await replayed('--feed', 'csv', 'trades.csv'));
    expect(quarantined.total).toBe(0);
    expect(factsOf(expected)).toMatchObject(csv);
  });

  it.skipIf(!existsSync(schwabRecording))(
    'is the same for every number of buckets, of a recording of Schwab’s streamer (skipped where ../shared/data is absent)',
    async () => {
      const of = async (buckets: string) => factsOf(await replayed('--feed', 'schwab', '--buckets', buckets, schwabRecording));
      const one = await of('1');
      expect(one).toMatchObject({ trades: 7_083, late: 0, quarantined: { total: 0 } });
      expect(one.bars).toBeGreaterThan(1_500);
      expect([await of('16'), await of('64')]).toEqual([one, one]);
    },
  );

  it('is that of a run, of the same run again, and of a replay of its tape', async () => {
    expect(factsOf(ran)).toEqual(factsOf(expected));
    const again = await cli(['run', ...inputOf('trades.ndjson'), ...pipeline]);
    expect(factsOf(summaryOf(again))).toEqual(factsOf(expected));
    expect(again.stderr).toContain('had been read before');
    expect(factsOf(await replayed('--feed', 'tape', '--state', 'state-of-trades.ndjson'))).toEqual(factsOf(expected));
  });

  it('counts the bad lines of two files of one name, which come from two folders', async () => {
    for (const day of ['monday', 'tuesday']) {
      mkdirSync(join(folder, day));
      writeFileSync(join(folder, day, 'bad.ndjson'), `bad on ${day}\n${linesOf('first.ndjson').find(isTrade)}\n`);
      await cli(['run', '--input', join(day, 'bad.ndjson'), '--state', 'two-days', ...pipeline]);
    }
    const { stdout } = await cli(['query', '--state', 'two-days', '--json', 'select position, sample from quarantine order by sample']);
    expect(JSON.parse(stdout).rows).toEqual([
      [expect.stringMatching(/monday.bad\.ndjson:1:0$/), 'bad on monday'],
      [expect.stringMatching(/tuesday.bad\.ndjson:1:0$/), 'bad on tuesday'],
    ]);
  });

  it('of a compressed file that is cut off tells it once, and goes on when all of it is there', async () => {
    const run = () => cli(['run', '--input', 'cut.ndjson.gz', '--state', 'cut', ...pipeline]);
    const whole = gzipSync(readFileSync(join(folder, 'all.ndjson')));
    writeFileSync(join(folder, 'cut.ndjson.gz'), whole.subarray(0, whole.length / 2));
    const first = summaryOf(await run());
    expect(first.quarantined.byReason).toEqual({ 'input-truncated': 1 });
    expect(factsOf(summaryOf(await run()))).toEqual(factsOf(first));
    writeFileSync(join(folder, 'cut.ndjson.gz'), whole);
    const { trades, volume, quarantined } = summaryOf(await run());
    expect(await replayed('all.ndjson')).toMatchObject({ trades, volume });
    expect(quarantined.byReason).toEqual({ 'input-truncated': 1 });
  });

  it.skipIf(process.platform === 'win32')('reads all that comes through a pipe, each time', async () => {
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    const [one, two] = linesOf('all.ndjson').filter(isTrade) as [string, string];
    const run = async (line: string) => {
      const ran = cli(['run', '--input', 'pipe', '--state', 'piped', ...pipeline]);
      await writeFile(join(folder, 'pipe'), `${line}\n`);
      return summaryOf(await ran);
    };
    expect((await run(one)).trades).toBe(1);
    expect((await run(two)).trades).toBe(2);
  });

  it('is not made of a file that lies where another one was read, and of one that has grown it is', async () => {
    const [one, two, three] = linesOf('all.ndjson') as [string, string, string];
    const run = () => cli(['run', '--input', 'grows.ndjson', '--state', 'growing', ...pipeline]);
    writeFileSync(join(folder, 'grows.ndjson'), `${one}\n`);
    await run();
    writeFileSync(join(folder, 'grows.ndjson'), `${one}\n${two}\n`);
    expect(summaryOf(await run()).trades).toBe(2);
    writeFileSync(join(folder, 'grows.ndjson'), `${one}\n${two}\n${three}`);
    expect(summaryOf(await run()).trades).toBe(3);
    writeFileSync(join(folder, 'grows.ndjson'), `${one}\n${two}\n${three}\n${two}\n`);
    const grown = summaryOf(await run());
    expect(grown.feed).toEqual((await replayed('grows.ndjson')).feed);
    writeFileSync(join(folder, 'grows.ndjson'), `${one}\n${two}\n${three}\n${two}\n${one.slice(0, 30)}`);
    expect((await run()).exitCode).toBe(0);
    writeFileSync(join(folder, 'grows.ndjson'), `${one}\n${two}\n${three}\n${two}\n${one}\n`);
    expect(await run()).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('goes on in the middle of the line') });
    writeFileSync(join(folder, 'grows.ndjson'), `${three}\n${two}\n${one}\n`);
    const { exitCode, stderr } = await run();
    expect(exitCode).toBe(1);
    expect(stderr).toContain('is not the file that was read before under this name');
  });

  it('of an empty input counts nothing', async () => {
    writeFileSync(join(folder, 'empty.ndjson'), '');
    const nothing = `sha256:${createHash('sha256').digest('hex')}`;
    const empty = { trades: 0, bars: 0, firstEventTimeMs: null, lastEventTimeMs: null, digest: { bars: nothing, signals: nothing } };
    expect(await replayed('empty.ndjson')).toMatchObject(empty);
    expect(summaryOf(await cli(['run', ...inputOf('empty.ndjson'), ...pipeline]))).toMatchObject(empty);
  });

  it('is text without --json', async () => {
    const { exitCode, stdout } = await cli(['replay', 'trades.ndjson', '--interval', '5s']);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^trades +60,\d{3} of 60 symbols, volume /);
    expect(stdout).toContain(`quarantined           ${injected.bad}, not-json `);
  });
});

describe('the outputs', () => {
  type BarLine = { symbol: string; windowStartMs: number; windowEndMs: number; tradeCount: number; rev: number };

  it('add up to the summary, and their final rows to its digests', async () => {
    await replayed(
      'trades.ndjson',
      ...['--bars', 'bars', '--signals', 'signals', '--late', 'late', '--quarantine', 'bad'],
      ...['--interval', '1m'],
    );
    const both = await replayed('trades.ndjson', '--interval', '1m');
    const bars = rowsOf<BarLine>('bars');
    const final = new Map<string, BarLine>();
    for (const bar of bars) {
      const key = `${bar.symbol} ${bar.windowStartMs} ${bar.windowEndMs}`;
      expect(bar.rev).toBe((final.get(key)?.rev ?? -1) + 1);
      final.set(key, bar);
    }
    expect(bars.length).toBe(both.bars + both.revisions);
    expect(final.size).toBe(both.bars);
    expect(digestOf([...final.values()].sort(byKey))).toBe(both.digest?.bars);

    const signals = rowsOf<{ signalId: string; side: string; strategy: string } & BarLine>('signals');
    expect(new Set(signals.map(({ signalId }) => signalId)).size).toBe(signals.length);
    expect(signals.filter(({ side }) => side === 'buy').length).toBe(both.signals.buy);
    expect(signals.length).toBe(both.signals.buy + both.signals.sell);
    expect(digestOf(signals.sort((a, b) => byKey(a, b) || compared(a.strategy, b.strategy)))).toBe(both.digest?.signals);

    const late = rowsOf<BarLine & { eventTimeMs: number; lateByMs: number; reason: string }>('late');
    for (const sizeMs of [5_000, 60_000]) {
      const ofSize = ({ windowStartMs, windowEndMs }: BarLine) => windowEndMs - windowStartMs === sizeMs;
      const inBars = [...final.values()].filter(ofSize).reduce((sum, { tradeCount }) => sum + tradeCount, 0);
      expect(inBars + late.filter(ofSize).length + both.duplicates).toBe(both.trades);
    }
    for (const { eventTimeMs, windowStartMs, windowEndMs, lateByMs, reason } of late) {
      expect(eventTimeMs >= windowStartMs && eventTimeMs < windowEndMs && lateByMs >= 240_000).toBe(true);
      expect(reason).toBe('beyond-allowed-lateness');
    }

    const lines = linesOf('trades.ndjson');
    const bad = rowsOf<{ position: string; reason: string; sample: string }>('bad');
    expect(bad.length).toBe(injected.bad);
    for (const { position, sample } of bad) {
      const [file, line] = position.split(':');
      expect(file).toBe('trades.ndjson');
      expect(
        Buffer.from(lines[Number(line) - 1] as string, 'latin1')
          .toString('utf8')
          .slice(0, sample.length),
      ).toBe(sample);
    }
  });

  it('of several intervals hold the bars of each, and strategies decide on the first', async () => {
    const [five, minute, both, list] = await Promise.all([
      replayed('trades.ndjson'),
      replayed('trades.ndjson', '--interval', '1m').then(() => cli(['replay', 'trades.ndjson', '--json', '--allowed-lateness', '240000'])),
      replayed('trades.ndjson', '--interval', '1m'),
      cli(['replay', 'trades.ndjson', '--json', '--allowed-lateness', '240000', '--interval', '5s,1m']),
    ]);
    expect(five.bars + summaryOf(minute).bars).toBe(both.bars);
    expect(both.digest?.signals).toBe(five.digest?.signals);
    expect(factsOf(summaryOf(list))).toEqual(factsOf(both));
  });

  it('go to standard output alone, as a pipe whose reader is slow takes them', async () => {
    const { stdout, stderr, exitCode } = await shell(`"$NODE" "$CLI" replay trades.ndjson --bars - --interval 1s | (sleep 1; cat)`);
    expect(exitCode).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(5_000);
    for (const line of lines) expect(line).toMatch(/^\{.*\}$/);
    expect(stderr).toContain('symbols, volume');
  });

  it.concurrent.each([
    'replay trades.ndjson --bars - --interval 1s',
    'simulate --seconds 600',
    `query --state state-of-trades.ndjson --csv 'select * from bars'`,
    'replay --help',
    'start --seconds 1 --backfill 60 --state head',
  ])('of %s end without a word when their reader has had enough', async (args) => {
    const { stdout, stderr } = await shell(`("$NODE" "$CLI" ${args}; echo "exit $?" >&2) | head -1`);
    expect(stdout.split('\n')).toHaveLength(2);
    expect(stderr).not.toMatch(/EPIPE|EAGAIN| at /);
    expect(stderr).toMatch(/exit 0\n$/);
  });
});

describe('a filter', () => {
  it('gives what a file of only these trades gives, in a replay and in a run', async () => {
    const trades = linesOf('all.ndjson');
    const all = trades.map((line) => JSON.parse(line) as { symbol: string; eventTimeMs: number });
    const symbols = [...new Set(all.map(({ symbol }) => symbol))].slice(3, 6);
    const fromMs = (injected.lastEventTimeMs as number) - 200_000;
    const wanted = trades.filter((_, i) => {
      const { symbol, eventTimeMs } = all[i] as { symbol: string; eventTimeMs: number };
      return symbols.includes(symbol) && eventTimeMs >= fromMs && eventTimeMs < fromMs + 100_000;
    });
    writeFileSync(join(folder, 'wanted.ndjson'), `${wanted.join('\n')}\n`);
    const filter = ['--symbols', symbols.join(','), '--from', new Date(fromMs).toISOString(), '--to', String(fromMs + 100_000)];
    const { feed: _, ...facts } = factsOf(await replayed('wanted.ndjson'));
    expect(facts.trades).toBe(wanted.length);
    expect(wanted.length).toBeGreaterThan(100);
    expect(await replayed('all.ndjson', ...filter)).toMatchObject(facts);
    expect(summaryOf(await cli(['run', ...inputOf('all.ndjson'), ...pipeline, ...filter]))).toMatchObject(facts);
  });
});

describe('a filter over a tape', () => {
  it('gives the bars and the late trades that the run gave for these symbols', async () => {
    const symbols = [...new Set(rowsOf<Row>('all.ndjson').map(({ symbol }) => symbol))].slice(3, 6);
    type Row = { readonly symbol: string; readonly position?: string };
    const outputsOf = async (name: string, ...filter: readonly string[]) => {
      const tape = ['--feed', 'tape', '--state', 'state-of-trades.ndjson', '--bars', `${name}.bars`, '--late', `${name}.late`];
      expect((await replayed(...tape, ...filter)).symbols).toBe(filter.length === 0 ? expected.symbols : symbols.length);
      const rows = [...rowsOf<Row>(`${name}.bars`), ...rowsOf<Row>(`${name}.late`)];
      return rows.filter(({ symbol }) => symbols.includes(symbol)).map((row) => JSON.stringify(row));
    };
    const filtered = await outputsOf('filtered', '--symbols', symbols.join(','));
    expect(filtered.length).toBeGreaterThan(100);
    expect(filtered.sort()).toEqual((await outputsOf('whole')).sort());
  });
});

describe('the exit code', () => {
  it('is 3 with --strict when something was quarantined, and the summary is there', async () => {
    const replay = await cli(['replay', 'trades.ndjson', '--strict', ...pipeline]);
    expect(replay.exitCode).toBe(3);
    expect(factsOf(JSON.parse(replay.stdout) as Summary)).toEqual(factsOf(expected));
    const run = await cli(['run', ...inputOf('trades.ndjson'), '--strict', ...pipeline]);
    expect(run.exitCode).toBe(3);
    expect((await cli(['replay', 'all.ndjson', '--strict', ...pipeline])).exitCode).toBe(0);
  });

  it('is 0 when a strategy throws on its 30th bar, 3 with --strict, and the bars are those without it', async () => {
    writeFileSync(
      join(folder, 'thirtieth.ts'),
      `import { defineStrategy, hold } from '${pathToFileURL(join(cliPath, '../../core/strategy.ts')).href}';
       let bars = 0;
       export default defineStrategy('thirtieth', () => () => { if (++bars === 30) throw new Error('too much'); return hold(); });`,
    );
    const args = ['replay', 'all.ndjson', '--strategy', './thirtieth.ts', ...pipeline];
    const summary = summaryOf(await cli(args));
    expect(summary.quarantined).toEqual({ total: 1, byReason: { 'strategy-threw': 1 } });
    expect(summary.digest?.bars).toBe(expected.digest?.bars);
    expect(await cli([...args, '--strict'])).toMatchObject({ exitCode: 3, stderr: '' });
  });

  it.concurrent.each([
    { args: 'reply trades.ndjson', exitCode: 2, says: 'Did you mean replay?' },
    { args: 'replay trades.ndjson --intervall 1m', exitCode: 2, says: 'Did you mean --interval?' },
    { args: 'replay trades.ndjson --feed ndjsn', exitCode: 2, says: 'received "ndjsn"; did you mean "ndjson"?' },
    { args: 'replay trades.ndjson --interval 7x', exitCode: 2, says: 'from 1s to 1d, such as "5m", received "7x"' },
    { args: 'replay', exitCode: 2, says: 'replay needs a file' },
    { args: 'replay nowhere.ndjson', exitCode: 2, says: 'received "nowhere.ndjson"' },
    { args: 'replay .', exitCode: 2, says: 'received the folder' },
    { args: 'run --input nowhere.ndjson --state nowhere', exitCode: 2, says: 'received "nowhere.ndjson"' },
    { args: 'replay trades.ndjson --feed tape', exitCode: 2, says: 'received "trades.ndjson"' },
    { args: 'replay --feed tape --state nowhere-else', exitCode: 2, says: 'there is no tape in "nowhere-else"' },
    { args: 'replay trades.ndjson --feed tpe', exitCode: 2, says: 'did you mean "tape"?' },
    { args: 'run --feed tape', exitCode: 2, says: '"tapeline replay --feed tape"' },
    { args: 'run --input trades.ndjson --state trades.ndjson/state', exitCode: 2, says: 'is a file' },
    { args: 'replay trades.ndjson --bars - --json', exitCode: 2, says: 'standard output' },
    { args: 'replay trades.ndjson --bars no-folder/bars', exitCode: 1, says: "no-folder/bars'; check the path" },
    { args: 'replay trades.ndjson --bars trades.ndjson', exitCode: 2, says: '--bars would write into the input' },
    { args: 'start --backfill -1', exitCode: 2, says: '--backfill must be a number from 0 on, received "-1"' },
    {
      args: 'run --input trades.ndjson --serve-origin http://localhost:5173',
      exitCode: 2,
      says: '--serve-origin says who may read what --serve gives',
    },
    { args: 'listen --port 70000', exitCode: 2, says: '--port must be a whole number from 0 to 65535, received "70000"' },
    { args: 'start --rate many', exitCode: 2, says: '--rate must be a number, received "many"' },
    { args: 'simulate --rate 0', exitCode: 2, says: 'rate must be above 0' },
    { args: 'simulate --output no-folder/trades', exitCode: 1, says: 'no-folder/trades' },
    { args: 'query --state nowhere-else "select 1"', exitCode: 2, says: 'there is no state folder "nowhere-else"' },
  ])('of $args is $exitCode, with one line that says why', async ({ args, exitCode, says }) => {
    const ended = await cli(args.split(/ (?=(?:[^"]*"[^"]*")*[^"]*$)/).map((word) => word.replaceAll('"', '')));
    expect(ended).toMatchObject({ exitCode, stdout: '', stderr: expect.stringContaining(says) });
    expect(ended.stderr).not.toMatch(/^ +at |file:\/\/|node:/m);
    expect(ended.stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(3);
  });
});

describe('a disk that is full', () => {
  const fullDisk = '/dev/full';

  it
    .skipIf(!existsSync(fullDisk))
    .each([
      'replay all.ndjson',
      'replay trades.ndjson --json --strict',
      'simulate --seconds 600',
      `query --state state-of-trades.ndjson 'select 1'`,
    ])('under standard output ends %s with 1, and one line that says so', async (args) => {
    const { exitCode, stderr } = await shell(`"$NODE" "$CLI" ${args} > ${fullDisk}`);
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringMatching(/^tapeline.*ENOSPC.*\n$/) });
  });
});

it.skipIf(!existsSync('/proc/self'))('a state folder where the system takes none is refused, and not tried for ever', async () => {
  const { exitCode, stderr } = await shell('timeout 30 "$NODE" "$CLI" run --input all.ndjson --state /proc/none/state');
  expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringMatching(/'\/proc\/none'; check the path\n$/) });
});

describe('an output', () => {
  it('is not emptied when one of the inputs does not exist', async () => {
    writeFileSync(join(folder, 'kept'), 'as it was');
    const { exitCode, stderr } = await cli(['replay', 'all.ndjson', 'nowhere.ndjson', '--bars', 'kept']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining('received "nowhere.ndjson"') });
    expect(readFileSync(join(folder, 'kept'), 'utf8')).toBe('as it was');
  });
});

describe('a state folder', () => {
  it.each(['tape.sqlite', 'checkpoints.sqlite'])('with a damaged %s is refused in one line that says what to do', async (name) => {
    const state = `damaged-${name}`;
    cpSync(join(folder, 'state-of-trades.ndjson'), join(folder, state), { recursive: true });
    for (const ending of ['', '-wal', '-shm']) rmSync(join(folder, state, `${name}${ending}`), { force: true });
    writeFileSync(join(folder, state, name), 'no database'.repeat(1000));
    const { exitCode, stderr } = await cli(['run', '--input', 'trades.ndjson', '--state', state, ...pipeline]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^tapeline: the state folder cannot be used: .*; a file in it is damaged: .*\n$/);
  });

  it('refuses other strategies clearly, and goes on with the old ones', async () => {
    cpSync(join(folder, 'state-of-trades.ndjson'), join(folder, 'copied'), { recursive: true });
    const args = ['run', '--input', 'second.ndjson', '--state', 'copied', ...pipeline];
    const refused = await cli([...args, '--strategy', 'none']);
    expect(refused).toMatchObject({
      exitCode: 1,
      stdout: '',
      stderr: expect.stringContaining('belongs to other intervals, policies or strategies'),
    });
    expect(summaryOf(await cli(args)).trades).toBeGreaterThan(expected.trades);
  });

  it('is for one run at a time, answers queries meanwhile, and goes on after Ctrl-C', async () => {
    const args = ['run', '--input', '-', '--state', 'live', ...pipeline];
    const [first, second] = ['first.ndjson', 'second.ndjson'].map((name) => readFileSync(join(folder, name))) as [Buffer, Buffer];
    const { child, ended } = start(args, { cwd: folder });
    child.stdin?.write(first);
    const stateFolder = join(folder, 'live');
    const enough = expected.bars / 3;
    const countBars = async () => Number((await runQuery({ stateFolder, sql: 'select count(*) from bars' })).rows[0]?.[0]);
    await until('a third of the bars is there', async () => (await countBars().catch(() => 0)) > enough);

    const asked = await cli(['query', '--state', 'live', '--json', 'select count(*) as n from bars']);
    expect(JSON.parse(asked.stdout)).toMatchObject({ columns: [{ name: 'n' }] });
    const other = await cli(args, second);
    expect(other).toMatchObject({ exitCode: 1, stdout: '', stderr: expect.stringContaining('is in use by another run') });

    child.kill('SIGINT');
    const interrupted = await ended;
    expect(interrupted).toMatchObject({ exitCode: 130, stderr: expect.stringContaining('the same command goes on from here') });
    const half = JSON.parse(interrupted.stdout) as Summary;
    expect(half.trades + half.quarantined.total).toBe(linesOf('first.ndjson').length);
    // Its windows are open still, in both.
    expect(factsOf(await replayed('--feed', 'tape', '--state', 'live'))).toEqual(factsOf(half));
    expect(factsOf(summaryOf(await cli(args, second)))).toEqual(factsOf(expected));
  });
});

describe('Ctrl-C', () => {
  it('ends a replay at once, with the summary of what was read', async () => {
    const { child, ended } = start(['replay', '-', '--json'], { cwd: folder });
    child.stdin?.write(readFileSync(join(folder, 'all.ndjson')));
    await sleep(4_000);
    child.kill('SIGINT');
    const { exitCode, stdout, stderr } = await ended;
    expect(exitCode).toBe(130);
    expect(stderr).toContain('interrupted');
    expect((JSON.parse(stdout) as Summary).trades).toBeGreaterThan(0);
  });

  it('ends a run of a file at whatever moment, and the next run goes on', async () => {
    const args = ['run', '--input', 'trades.ndjson', '--state', 'stopped', ...pipeline];
    const { child, ended } = start(args, { cwd: folder });
    await until('the run has begun', () => existsSync(tapePath(join(folder, 'stopped'))));
    child.kill('SIGINT');
    expect([0, 130]).toContain((await ended).exitCode);
    expect(factsOf(summaryOf(await cli(args)))).toEqual(factsOf(expected));
  });
});

describe('a live feed of which few trades are wanted', () => {
  it('closes bars by the clock, which is on the tape', async () => {
    const args = ['--symbols', 'IBM', '--interval', '1s', '--strategy', 'none', '--json'];
    const { child, ended } = start(['run', '--input', '-', '--state', 'quiet', ...args], { cwd: folder });
    const write = (symbol: string) => child.stdin?.write(`${JSON.stringify({ symbol, eventTimeMs: Date.now(), price: 1, size: 1 })}\n`);
    write('IBM');
    const others = setInterval(() => write('MSFT'), 100);
    const stateFolder = join(folder, 'quiet');
    const countBars = async () => Number((await runQuery({ stateFolder, sql: 'select count(*) from bars' })).rows[0]?.[0]);
    await until('the bar is there', async () => (await countBars().catch(() => 0)) === 1);
    clearInterval(others);
    child.kill('SIGINT');
    const { exitCode, stdout } = await ended;
    const live = JSON.parse(stdout) as Summary;
    expect([exitCode, live.trades, live.bars]).toEqual([130, 1, 1]);
    const replay = summaryOf(
      await cli(['replay', '--feed', 'tape', '--state', 'quiet', '--interval', '1s', '--strategy', 'none', '--json']),
    );
    expect(factsOf(replay)).toEqual(factsOf(live));
  });
});

describe('Ctrl-C while a market is written to a file', () => {
  it('ends it', async () => {
    const { child, ended } = start(['-c', 'exec "$NODE" "$CLI" simulate --seconds 1000000 > endless.ndjson'], {
      cwd: folder,
      command: ['sh'],
      env: { NODE: process.execPath, CLI: cliPath },
    });
    const file = join(folder, 'endless.ndjson');
    await until('the first lines are there', () => existsSync(file) && statSync(file).size > 0);
    child.kill('SIGINT');
    expect((await ended).exitCode).toBe(130);
    rmSync(file);
  });
});

describe('start', () => {
  it('shows a market in plain lines where there is no terminal, and ends after its seconds', async () => {
    const { exitCode, stdout, stderr } = await cli('start --seconds 3 --backfill 600 --rate 2000 --interval 5s --state market'.split(' '));
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    for (const ofTerminals of ['\u001b', '\r']) expect(stdout).not.toContain(ofTerminals);
    expect(stdout).toMatch(/^[\d,]+ trades \([\d,]+\/s\) · [\d,]+ bars · \d+ late · \d+ quarantined · watermark \d\d:\d\d:\d\d, /m);
    expect(stdout).toMatch(/^\d\d:\d\d:\d\d {2}(BUY |SELL) [A-Z]+ +[\d.]+ {2}(enter|exit ) {2}[a-z-]+: [a-z]/m);
    expect(stdout).toMatch(/^trades +1,20\d,\d{3} of 1,500 symbols/m);
  });
});

function shell(script: string): Promise<Ended> {
  return tapeline(['-c', script], { cwd: folder, command: ['sh'], env: { NODE: process.execPath, CLI: cliPath } });
}

function isTrade(line: string): boolean {
  return /^\{"symbol":"[A-Z]+","eventTimeMs":\d{13},"price":[\d.]*[1-9][\d.]*,"size":[1-9]\d*,"tradeId":"\d+"(,"conditions":\["[^"]*"(,"[^"]*")*\])?\}$/.test(
    line,
  );
}

function csvOf(lines: readonly string[]): string {
  const rows = lines.filter(isTrade).map((line) => {
    const {
      symbol,
      eventTimeMs,
      price,
      size,
      tradeId,
      conditions = [],
    } = JSON.parse(line) as Record<string, string> & { conditions?: string[] };
    return `${size},${symbol},${tradeId},${price},${eventTimeMs},${conditions.join(';')}`;
  });
  return `size,symbol,tradeId,price,eventTimeMs,conditions\n${rows.join('\n')}\n`;
}

function digestOf(rows: readonly object[]): string {
  return `sha256:${createHash('sha256')
    .update(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    .digest('hex')}`;
}

type Keyed = { readonly symbol: string; readonly windowStartMs: number; readonly windowEndMs: number };

function byKey(a: Keyed, b: Keyed): number {
  return compared(a.symbol, b.symbol) || a.windowStartMs - b.windowStartMs || a.windowEndMs - b.windowEndMs;
}

function compared(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
