import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeAthena } from '../adapters/history/fake-athena.ts';
import { FakeTimestreamQuery } from '../adapters/history/fake-timestream-query.ts';
import { start, tapeline } from '../local/tapeline.ts';

let athena: FakeAthena;
let timestream: FakeTimestreamQuery;
let stacks: Server;
let folder = '';
let env: Record<string, string> = {};
const outputs: Record<string, Record<string, string>> = {
  Tapeline: { HistoryDatabase: 'tapeline_history', HistoryWorkGroup: 'Tapeline-history' },
  Live: { HistoryDatabase: 'Live-history' },
};

beforeAll(async () => {
  folder = mkdtempSync(`${tmpdir()}/tapeline-cloud-`);
  athena = await FakeAthena.start();
  timestream = await FakeTimestreamQuery.start();
  stacks = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const name = new URLSearchParams(Buffer.concat(chunks).toString()).get('StackName') ?? '';
    const known = outputs[name];
    response
      .writeHead(known === undefined ? 400 : 200, { 'content-type': 'text/xml' })
      .end(known === undefined ? noStack(name) : stackOf(known));
  });
  await new Promise<void>((resolve) => stacks.listen(0, '127.0.0.1', resolve));
  env = {
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_ENDPOINT_URL_ATHENA: athena.endpoint,
    AWS_ENDPOINT_URL_TIMESTREAM_QUERY: timestream.endpoint,
    AWS_ENDPOINT_URL_CLOUDFORMATION: `http://127.0.0.1:${(stacks.address() as AddressInfo).port}`,
  };
});
afterAll(() => {
  athena.stop();
  timestream.stop();
  stacks.close();
  stacks.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});

const ask = (...args: string[]) => tapeline(['query', ...args], { cwd: folder, env });

describe('tapeline query --on', () => {
  it('athena asks the workgroup and database that the stack names, and prints as for the laptop', async () => {
    athena.answer({
      columns: [
        { Name: 'windowstartms', Type: 'bigint' },
        { Name: 'symbol', Type: 'varchar' },
      ],
      rows: [
        ['60000', 'IBM'],
        ['0', undefined],
      ],
    });
    const json = await ask('--on', 'athena', '--json', 'select * from bars');
    expect(json).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse(json.stdout)).toEqual({
      columns: [
        { name: 'windowStartMs', type: 'BIGINT' },
        { name: 'symbol', type: 'VARCHAR' },
      ],
      rows: [
        [60_000, 'IBM'],
        [0, null],
      ],
    });
    expect(athena.calls[0]?.input).toMatchObject({
      WorkGroup: 'Tapeline-history',
      QueryExecutionContext: { Database: 'tapeline_history' },
    });
  });

  it('timestream asks the database of the stack that is named', async () => {
    const columns = [
      { Name: 'symbol', Type: { ScalarType: 'VARCHAR' as const } },
      { Name: 'n', Type: { ScalarType: 'BIGINT' as const } },
    ];
    timestream.answer({ columns, pages: [[], [{ Data: [{ ScalarValue: 'a "b"' }, { ScalarValue: '7' }] }]] });
    const csv = await ask('--on', 'timestream', '--stack', 'Live', '--csv', 'select symbol, count(*) n from trades group by symbol');
    expect(csv).toMatchObject({ exitCode: 0, stderr: '', stdout: 'symbol,n\n"a ""b""",7\n' });
    expect(timestream.calls[0]?.input['QueryString']).toContain('FROM "Live-history"."trades"');
  });

  it('needs no stack where all is named', async () => {
    athena.answer({ columns: [{ Name: 'n', Type: 'integer' }], rows: [['1']] });
    const table = await ask('--on', 'athena', '--stack', 'Gone', '--database', 'd', '--work-group', 'w', 'select 1 as n');
    expect(table).toMatchObject({ exitCode: 0, stdout: 'n\n─\n1\n1 row\n' });
  });

  it.each<[string[], number, string]>([
    [['--on', 'athna', 'select 1'], 2, '--on is one of local, athena, timestream, received "athna"; did you mean "athena"?'],
    [
      ['--on', 'athena', '--stack', 'Gone', 'select 1'],
      2,
      'there is no stack "Gone" in this account and region; deploy it with that history',
    ],
    [['--on', 'athena', '--stack', 'Live', 'select 1'], 2, 'the stack "Live" has no output "HistoryWorkGroup"'],
    [['--on', 'timestream', '--export-parquet', 'x'], 2, '--export-parquet is for the laptop'],
    [['--on', 'athena', 'drop table bars'], 1, 'only statements that read are answered'],
    [['--on', 'athena', 'show SELEC 1'], 1, "line 1:1: mismatched input 'SELEC'"],
  ])('%j ends with %i and says what to do', async (args, exitCode, message) => {
    athena.answer({});
    const ended = await ask(...args);
    expect(ended).toMatchObject({ exitCode, stdout: '' });
    expect(ended.stderr).toContain(`tapeline query: ${message}`);
  });

  it('stops the query over there on Ctrl-C', async () => {
    athena.answer({ states: ['RUNNING'] });
    const { child, ended } = start(['query', '--on', 'athena', 'select 1'], { cwd: folder, env });
    while (!athena.operations.includes('GetQueryExecution')) await delay(20);
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ exitCode: 130, stdout: '' });
    expect(athena.operations.at(-1)).toBe('StopQueryExecution');
  });
});

function stackOf(outputs: Record<string, string>): string {
  const members = Object.entries(outputs).map(
    ([key, value]) => `<member><OutputKey>${key}</OutputKey><OutputValue>${value}</OutputValue></member>`,
  );
  return `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member>
    <StackName>S</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus>
    <Outputs>${members.join('')}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`;
}

function noStack(name: string): string {
  return `<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><Error><Type>Sender</Type><Code>ValidationError</Code>
    <Message>Stack with id ${name} does not exist</Message></Error></ErrorResponse>`;
}
