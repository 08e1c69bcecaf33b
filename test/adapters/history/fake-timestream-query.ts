import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ColumnInfo, type Row, TimestreamQueryClient } from '@aws-sdk/client-timestream-query';
import { account } from '../../aws/table.ts';

export type TimestreamAnswer = {
  readonly columns?: readonly ColumnInfo[];
  /** By page; an empty one says that the query is still at work. */
  readonly pages?: readonly (readonly Row[])[];
  /** The query fails. */
  readonly error?: { readonly type: string; readonly message: string };
  /** Never goes on behind its first page. */
  readonly isEndless?: boolean;
};

type Call = { readonly operation: string; readonly input: Record<string, unknown> };

/**
 * Timestream's queries as they are seen from outside: an answer in pages, which may be empty while there is a next one, and can be cancelled.
 * @see https://docs.aws.amazon.com/timestream/latest/developerguide/API_query_Query.html
 */
export class FakeTimestreamQuery {
  readonly calls: Call[] = [];
  readonly #server: Server;
  #answer: TimestreamAnswer = {};

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<FakeTimestreamQuery> {
    const server = createServer();
    const fake = new FakeTimestreamQuery(server);
    server.on('request', async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const operation = String(request.headers['x-amz-target']).replace('Timestream_20181101.', '');
      const { status = 200, ...body } = fake.#respond(operation, JSON.parse(Buffer.concat(chunks).toString() || '{}'));
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' }).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get client(): TimestreamQueryClient {
    return new TimestreamQueryClient({ ...account, endpoint: this.endpoint });
  }

  get operations(): string[] {
    return this.calls.map(({ operation }) => operation);
  }

  answer(answer: TimestreamAnswer): void {
    this.#answer = answer;
    this.calls.length = 0;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #respond(operation: string, input: Record<string, unknown>): { status?: number } & Record<string, unknown> {
    this.calls.push({ operation, input });
    const { columns = [], pages = [[]], error, isEndless = false } = this.#answer;
    if (operation === 'CancelQuery') return { CancellationMessage: 'cancelled' };
    if (operation !== 'Query') return { status: 400, __type: 'UnknownOperationException' };
    if (error !== undefined) return { status: 400, __type: error.type, message: error.message, Message: error.message };
    const page = Number(input['NextToken'] ?? '0');
    if (Number(input['MaxRows']) > 1_000) return { status: 400, __type: 'ValidationException', message: 'MaxRows is at most 1000' };
    const next = isEndless ? String(page) : page + 1 < pages.length ? String(page + 1) : undefined;
    return { QueryId: 'query-1', ColumnInfo: columns, Rows: pages[page] ?? [], ...(next !== undefined && { NextToken: next }) };
  }
}
