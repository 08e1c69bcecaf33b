import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AthenaClient, type ColumnInfo } from '@aws-sdk/client-athena';
import { account } from '../../aws/table.ts';

export type AthenaAnswer = {
  /** States that it goes through, one for each time that it is asked; the last stays. @default SUCCEEDED at once */
  readonly states?: readonly string[];
  readonly reason?: string;
  readonly statementType?: string;
  readonly columns?: readonly Pick<ColumnInfo, 'Name' | 'Type'>[];
  readonly rows?: readonly (readonly (string | undefined)[])[];
};

type Call = { readonly operation: string; readonly input: Record<string, unknown> };

/**
 * Athena as it is seen from outside, for one query at a time: started, asked about until it is over, its answer in pages of at most 1,000 rows, of
 * which the first row of a SELECT holds the names.
 * @see https://docs.aws.amazon.com/athena/latest/APIReference/API_GetQueryResults.html
 */
export class FakeAthena {
  readonly calls: Call[] = [];
  readonly #server: Server;
  #answer: AthenaAnswer = {};
  #asked = 0;
  #isStopped = false;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<FakeAthena> {
    const server = createServer();
    const fake = new FakeAthena(server);
    server.on('request', async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const operation = String(request.headers['x-amz-target']).replace('AmazonAthena.', '');
      const { status = 200, ...body } = fake.#respond(operation, JSON.parse(Buffer.concat(chunks).toString() || '{}'));
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get client(): AthenaClient {
    return new AthenaClient({ ...account, endpoint: this.endpoint });
  }

  get operations(): string[] {
    return this.calls.map(({ operation }) => operation);
  }

  answer(answer: AthenaAnswer): void {
    this.#answer = answer;
    this.#asked = 0;
    this.#isStopped = false;
    this.calls.length = 0;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #respond(operation: string, input: Record<string, unknown>): { status?: number } & Record<string, unknown> {
    this.calls.push({ operation, input });
    const { states = ['SUCCEEDED'], reason, statementType = 'DML' } = this.#answer;
    if (operation === 'StartQueryExecution') {
      if (String(input['QueryString']).includes('SELEC ')) return refused("line 1:1: mismatched input 'SELEC'");
      return { QueryExecutionId: 'query-1' };
    }
    if (input['QueryExecutionId'] !== 'query-1') return refused('QueryExecution was not found');
    if (operation === 'StopQueryExecution') {
      this.#isStopped = true;
      return {};
    }
    if (operation === 'GetQueryExecution') {
      const State = this.#isStopped ? 'CANCELLED' : states[Math.min(this.#asked++, states.length - 1)];
      return { QueryExecution: { StatementType: statementType, Status: { State, ...(reason && { StateChangeReason: reason }) } } };
    }
    return operation === 'GetQueryResults' ? this.#page(input) : refused(`no ${operation} here`);
  }

  #page({ MaxResults, NextToken = '0' }: Record<string, unknown>): { status?: number } & Record<string, unknown> {
    if (Number(MaxResults) > 1_000) return refused('MaxResults is at most 1000');
    const { columns = [], rows = [], statementType = 'DML' } = this.#answer;
    const all = statementType === 'DML' ? [columns.map(({ Name }) => Name), ...rows] : rows;
    const from = Number(NextToken);
    const to = from + Number(MaxResults);
    const Rows = all.slice(from, to).map((row) => ({ Data: row.map((text) => (text === undefined ? {} : { VarCharValue: text })) }));
    return { ResultSet: { Rows, ResultSetMetadata: { ColumnInfo: columns } }, ...(to < all.length && { NextToken: String(to) }) };
  }
}

function refused(Message: string): { status: number } & Record<string, unknown> {
  return { status: 400, __type: 'InvalidRequestException', Message, message: Message };
}
