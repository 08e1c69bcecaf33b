import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openDuckDbHistory } from '../../adapters/history/duckdb.ts';
import type { History } from '../../adapters/history/history.ts';
import { BarBatch } from '../../core/bar.ts';
import { type QueryCommandOptions, queryCommand, runQuery, serveQueries } from '../../local/query.ts';
import { socketPathOf } from '../../local/query-socket.ts';

let root = '';
let state = '';
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'tapeline-query-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeEach(() => {
  state = mkdtempSync(join(root, 'state-'));
});

describe('a query, answered by the process that holds the history or read from its file', () => {
  it('has the same answer both ways', async () => {
    const sql = 'SELECT symbol, windowStartMs, close, interval FROM bars ORDER BY windowStartMs';
    const served = await whileServed(() => runQuery({ stateFolder: state, sql }));
    expect(served.rows).toEqual([
      ['IBM', 0, 1.5, '1m'],
      ['IBM', 60_000, 2.5, '1m'],
    ]);
    expect(await runQuery({ stateFolder: state, sql })).toEqual(served);
  });

  it('goes through the file lock of another process, and comes back after that process was killed', async () => {
    await whileServed(async () => undefined);
    const holder = spawn(process.execPath, ['--input-type=module', '-e', holderSource(state)], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(createInterface(holder.stdout), 'line');
    const sql = 'SELECT count(*) FROM bars';
    expect((await runQuery({ stateFolder: state, sql })).rows).toEqual([[2]]);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    expect(existsSync(await socketPathOf(state))).toBe(true);
    expect((await runQuery({ stateFolder: state, sql })).rows).toEqual([[2]]);
    expect((await whileServed(() => runQuery({ stateFolder: state, sql }))).rows).toEqual([[2]]);
  });

  it('says so when the history is held by a process that answers nothing', async () => {
    const source = holderSource(state).replace('await serveQueries', 'void (() => 0)');
    const holder = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(createInterface(holder.stdout), 'line');
    const answer = await told({ sql: 'SELECT 1' });
    holder.kill('SIGKILL');
    expect(answer).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining(`in use by process ${holder.pid}, which answers no queries now`),
    });
  });

  it.each(['served', 'from the file'])('refuses to write, %s', async (way) => {
    await whileServed(async () => undefined);
    const ask = () => told({ sql: 'DELETE FROM bar_rows' });
    const answer = way === 'served' ? await whileServed(ask) : await ask();
    expect(answer).toEqual({
      exitCode: 1,
      stdout: '',
      stderr:
        'tapeline query: only statements that read are answered (SELECT, FROM, VALUES, DESCRIBE, SUMMARIZE, SHOW, EXPLAIN), received DELETE\n',
    });
  });

  it('refuses an answer that would fill the memory of the process that holds the history, which goes on', async () => {
    await whileServed(async () => {
      const large = await told({ sql: `SELECT repeat('x', 6000) FROM range(10000)` });
      expect(large).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('more than 50,000,000 characters: add a LIMIT') });
      const tooLong = await told({ sql: `SELECT list(repeat('x', 60000)) FROM range(10000)` });
      expect(tooLong.exitCode).toBe(1);
      expect((await runQuery({ stateFolder: state, sql: 'SELECT 1' })).rows).toEqual([[1]]);
    });
  });

  it('tells what DuckDB says of wrong SQL', async () => {
    const answer = await whileServed(() => told({ sql: 'SELECT clsoe FROM bars' }));
    expect(answer).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('"clsoe" not found') });
    expect(answer.stderr).toContain('close');
  });

  it('gives up when it is stopped, and the process that holds the history goes on', async () => {
    const endless = 'SELECT count(*) FROM range(10000000) a, range(10000000) b';
    await whileServed(async () => {
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 100);
      expect((await told({ sql: endless, signal: stop.signal })).exitCode).toBe(130);
      expect((await runQuery({ stateFolder: state, sql: 'SELECT 1' })).rows).toEqual([[1]]);
    });
  });

  it('exports Parquet both ways', async () => {
    for (const way of ['served', 'file']) {
      const exportParquet = join(root, `parquet-${way}`);
      const answer =
        way === 'served' ? await whileServed(() => told({ exportParquet, json: true })) : await told({ exportParquet, json: true });
      expect(JSON.parse(answer.stdout)[0]).toEqual({ table: 'bars', file: join(exportParquet, 'bars.parquet'), rows: 2 });
      expect(readdirSync(exportParquet).sort()).toEqual(
        ['bars', 'late', 'quarantine', 'signals', 'trades'].map((name) => `${name}.parquet`),
      );
    }
  });
});

describe('the socket for queries', () => {
  it.skipIf(process.platform === 'win32')('is for its user only, and gone afterwards', async () => {
    const path = await socketPathOf(state);
    await whileServed(async () => expect(statSync(path).mode & 0o777).toBe(0o600));
    expect(existsSync(path)).toBe(false);
  });

  it('has a short path for a folder of any depth, and another for each folder', async () => {
    const deep = join(root, 'a'.repeat(100), 'b'.repeat(100));
    mkdirSync(deep, { recursive: true });
    const path = await socketPathOf(deep);
    expect(Buffer.byteLength(path)).toBeLessThan(104);
    expect(await socketPathOf(join(deep, 'c'))).not.toBe(path);
    state = deep;
    expect((await whileServed(() => runQuery({ stateFolder: deep, sql: 'SELECT count(*) FROM bars' }))).rows).toEqual([[2]]);
  });

  it('leaves a file alone that is in its place and no socket', async () => {
    writeFileSync(await socketPathOf(state), 'mine');
    await expect(whileServed(async () => undefined)).rejects.toThrow('is in the way of the socket');
  });

  it.each(['{"sql":', '[]', '{"sql":1}', '{}', ''])('answers the request %j with a refusal', async (request) => {
    await whileServed(async () => {
      const socket = createConnection(await socketPathOf(state));
      socket.write(`${request}\n`);
      expect(JSON.parse(await text(socket))).toMatchObject({ ok: false, code: 'query-refused' });
    });
  });
});

describe('the query command', () => {
  it('prints a table whose numbers are right-aligned', async () => {
    await whileServed(async () => undefined);
    expect(await told({ sql: 'SELECT symbol, windowStartMs, close, open FROM bars ORDER BY windowStartMs' })).toEqual({
      exitCode: 0,
      stderr: '',
      stdout: [
        'symbol  windowStartMs  close  open',
        '──────  ─────────────  ─────  ────',
        'IBM                 0    1.5     1',
        'IBM             60000    2.5     –',
        '2 rows',
        '',
      ].join('\n'),
    });
  });

  it('prints one JSON document with --json', async () => {
    await whileServed(async () => undefined);
    expect(JSON.parse((await told({ sql: 'SELECT close FROM bars WHERE windowStartMs = 0', json: true })).stdout)).toEqual({
      columns: [{ name: 'close', type: 'DOUBLE' }],
      rows: [[1.5]],
    });
  });

  it('prints CSV with --csv', async () => {
    await whileServed(async () => undefined);
    const sql = `SELECT 'a,"b"' AS "x,y", NULL AS n, '' AS empty, ['c', 'd'] AS list, 1.5 AS decimal`;
    expect((await told({ sql, csv: true })).stdout).toBe('"x,y",n,empty,list,decimal\n"a,""b""",,"","[""c"",""d""]",1.5\n');
  });

  it.each([
    [{}, 'give one SQL statement'],
    [{ sql: 'SELECT 1', exportParquet: 'folder' }, 'not both'],
    [{ sql: 'SELECT 1', json: true, csv: true }, 'not both'],
  ])('finds fault with %j', async (options, message) => {
    expect(await told(options)).toMatchObject({ exitCode: 2, stdout: '', stderr: expect.stringContaining(message) });
  });

  it('says where no history is, and makes none', async () => {
    const missing = join(root, 'missing');
    expect(await told({ sql: 'SELECT 1', state: missing })).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining(`no state folder "${missing}"`),
    });
    expect(await told({ sql: 'SELECT 1' })).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('holds no history yet') });
    expect(existsSync(missing)).toBe(false);
    expect(readdirSync(state)).toEqual([]);
  });
});

describe('docs/query.md', () => {
  const guide = readFileSync(new URL('../../docs/query.md', import.meta.url), 'utf8');
  const examples = [
    ...[...guide.matchAll(/^```sql\n(.*?)^```/gms)].map(([, sql]) => sql as string),
    ...[...guide.matchAll(/^npx tapeline query .*"(.*)"/gm)].map(([, sql]) => sql as string),
  ];

  it('has examples', () => expect(examples.length).toBeGreaterThan(7));

  it.each(examples)('has an example that runs: %s', async (sql) => {
    await whileServed(async () => undefined);
    expect(await told({ sql, json: true })).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it.each(['bars', 'signals', 'late', 'quarantine'])('names the columns of %s', async (table) => {
    await whileServed(async () => undefined);
    const { columns } = await runQuery({ stateFolder: state, sql: `SELECT * FROM ${table}` });
    const [, listed] = new RegExp(`^\\| \`${table}\` \\|[^|]*\\|([^|]*)\\|$`, 'm').exec(guide) as RegExpExecArray;
    expect(
      (listed as string)
        .replaceAll(/\(.*?\)/g, '')
        .split(',')
        .map((name) => name.trim()),
    ).toEqual(columns.map(({ name }) => name));
  });
});

function openHistory(): Promise<History> {
  return openDuckDbHistory(join(state, 'history.duckdb'), { tape: join(state, 'tape.sqlite') });
}

async function whileServed<T>(use: () => Promise<T>): Promise<T> {
  const history = await openHistory();
  try {
    const bars = new BarBatch();
    bars.add('IBM', 0, 60_000, 1, 2, 0.5, 1.5, 10, 12, 3, 0);
    bars.add('IBM', 60_000, 120_000, Number.NaN, Number.NaN, Number.NaN, 2.5, 0, 0, 0, 0);
    await history.writeBars(bars);
    const stop = await serveQueries(history, state);
    return await use().finally(stop);
  } finally {
    await history.close();
  }
}

async function told(options: Partial<QueryCommandOptions>): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const exitCode = await queryCommand({ state, ...options, stdout, stderr });
  stdout.end();
  stderr.end();
  return { exitCode, stdout: await text(stdout), stderr: await text(stderr) };
}

const holderSource = (folder: string) => `
  import { openDuckDbHistory } from ${JSON.stringify(new URL('../../adapters/history/duckdb.ts', import.meta.url).href)};
  import { serveQueries } from ${JSON.stringify(new URL('../../local/query.ts', import.meta.url).href)};
  const history = await openDuckDbHistory(${JSON.stringify(join(folder, 'history.duckdb'))});
  await serveQueries(history, ${JSON.stringify(folder)});
  console.log('ready');
  setInterval(() => {}, 1000);`;
