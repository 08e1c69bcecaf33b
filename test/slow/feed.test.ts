import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type KinesisLocal, makeStream, startKinesisLocal } from '../aws/kinesis-local.ts';
import { start, summaryOf, tapeline } from '../local/tapeline.ts';
import { until } from '../until.ts';

let folder = '';
let kinesis: KinesisLocal;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tapeline-feed-'));
  kinesis = await startKinesisLocal();
  await makeStream(kinesis.client, 'tape', 2);
});
afterAll(() => {
  kinesis.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('tapeline feed', () => {
  it('closes the bars of a live feed that has fallen silent, and ends on Ctrl-C with all of it in the stream', async () => {
    await makeStream(kinesis.client, 'live', 1);
    const options = { cwd: folder, env: kinesis.env };
    const { child, ended } = start(['feed', '--stream', 'live', '--flush-every', '50'], options);
    child.stdin?.write(`${tradeOf(Date.now())}\nnot a trade\n`);
    const args = ['run', '--tape', 'kinesis', '--stream', 'live', '--interval', '1s', '--until-latest', '--json'];
    const counts = async () => summaryOf(await tapeline(args, options));
    await until('the bar of the trade is closed', async () => (await counts()).bars === 1);
    expect(await counts()).toMatchObject({ trades: 1, bars: 1 });
    child.kill('SIGINT');
    const { exitCode, stdout, stderr } = await ended;
    expect(exitCode).toBe(130);
    expect(stdout).toMatch(/^stream +live\ntrades +1\nframes +\d+ in \d+ calls/);
    expect(stdout).toMatch(/^left to put +0\nquarantined +1, not-json 1$/m);
    expect(stderr).toMatch(/feed: stopped at event time .* after 1 trades; all of it is in the stream; the same command goes on from here/);
  });

  it.each(['a new folder', 'a known folder'])('is alone in its folder: %s', async (name) => {
    const options = { cwd: folder, env: kinesis.env };
    const args = ['feed', '--stream', 'tape', '--state', 'alone'];
    const { child, ended } = start(args, options);
    await until('the folder is in use', () => existsSync(join(folder, 'alone', 'outgoing.sqlite-wal')));
    const second = await tapeline(args, { ...options, input: '' });
    expect([name, second.exitCode, second.stderr]).toEqual([
      name,
      1,
      expect.stringMatching(/"alone\/outgoing.sqlite" is in use by another run/),
    ]);
    child.kill('SIGTERM');
    expect((await ended).exitCode).toBe(130);
  });

  it('writes what is no trade to a file, and says so with its exit code', async () => {
    const args = ['feed', '--stream', 'tape', '--state', 'strict', '--quarantine', 'bad.ndjson', '--strict', '--json'];
    const { exitCode, stdout } = await tapeline(args, { cwd: folder, env: kinesis.env, input: `${tradeOf(1_704_205_800_000)}\n{}\n` });
    expect([exitCode, (JSON.parse(stdout) as { quarantined: unknown }).quarantined]).toEqual([
      3,
      { total: 1, byReason: { 'symbol-missing': 1 } },
    ]);
    expect(readFileSync(join(folder, 'bad.ndjson'), 'utf8')).toMatch(/"reason":"symbol-missing","sample":"\{\}"/);
  });

  const noAccount = {
    AWS_REGION: 'us-east-1',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_PROFILE: '',
    AWS_ACCESS_KEY_ID: '',
    HOME: '/nonexistent',
  };
  const cases: [string, readonly string[], Readonly<Record<string, string>>, number, RegExp][] = [
    ['a stream that is not there', ['feed', '--stream', 'nowhere'], {}, 1, /there is no stream "nowhere"/],
    ['no stack and no name', ['feed'], {}, 2, /the stack "Tapeline" cannot be asked.*name a stream with --stream or TAPELINE_STREAM/],
    ['no credentials', ['feed', '--stream', 'tape'], noAccount, 1, /there are no credentials for AWS .*AWS_PROFILE/],
    [
      'a wait that is too short',
      ['feed', '--stream', 'tape', '--flush-every', '1'],
      {},
      2,
      /--flush-every must be a number from 10 to 60000, received "1"/,
    ],
    [
      'its input for what is set aside',
      ['feed', '--stream', 'tape', '--input', 'a', '--quarantine', 'a'],
      {},
      2,
      /--quarantine would write into the input/,
    ],
    [
      'two outputs in one',
      ['feed', '--stream', 'tape', '--quarantine', '-', '--json'],
      {},
      2,
      /--json prints the summary to standard output/,
    ],
    ['a feed that is not known', ['feed', '--feed', 'ndjsn'], {}, 2, /did you mean "ndjson"/],
    ['a feed for a reader', ['run', '--tape', 'kinesis', '--feed', 'csv'], {}, 2, /--feed is for a feed, and --tape kinesis reads/],
    [
      'more time than a timer has',
      ['run', '--tape', 'kinesis', '--seconds', '2592000'],
      {},
      2,
      /--seconds must be a number from 0 to 2147483/,
    ],
    ['a stream for the own tape', ['run', '--stream', 'tape'], {}, 2, /--stream is for --tape kinesis/],
    ['another tape', ['run', '--tape', 'paper'], {}, 2, /--tape must be local or kinesis, received "paper"/],
  ];
  it.each(cases)('says what is wrong with %s', async (_, args, env, exitCode, message) => {
    const ended = await tapeline(args, { cwd: folder, env: { ...kinesis.env, ...env }, input: '' });
    expect(ended.stderr).toMatch(message);
    expect([ended.exitCode, ended.stdout]).toEqual([exitCode, '']);
  });
});

function tradeOf(eventTimeMs: number): string {
  return JSON.stringify({ symbol: 'IBM', eventTimeMs, price: 181.85, size: 100 });
}
