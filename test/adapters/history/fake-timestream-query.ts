import { type ColumnInfo, type Row, TimestreamQueryClient } from '@aws-sdk/client-timestream-query';
import { account } from '../../aws/table.ts';
import { type Answer, HttpService, type Request } from '../../http-service.ts';

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
export class FakeTimestreamQuery extends HttpService {
  readonly calls: Call[] = [];
  #answer: TimestreamAnswer = {};

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

  protected answerTo({ headers, body }: Request): Answer {
    const operation = String(headers['x-amz-target']).replace('Timestream_20181101.', '');
    const input = JSON.parse(body.toString());
    this.calls.push({ operation, input });
    const { columns = [], pages = [[]], error, isEndless = false } = this.#answer;
    if (operation === 'CancelQuery') return { body: { CancellationMessage: 'cancelled' } };
    if (operation !== 'Query') return refused('UnknownOperationException', `no ${operation} here`);
    if (error !== undefined) return refused(error.type, error.message);
    const page = Number(input['NextToken'] ?? '0');
    if (Number(input['MaxRows']) > 1_000) return refused('ValidationException', 'MaxRows is at most 1000');
    const next = isEndless ? String(page) : page + 1 < pages.length ? String(page + 1) : undefined;
    return { body: { QueryId: 'query-1', ColumnInfo: columns, Rows: pages[page] ?? [], ...(next !== undefined && { NextToken: next }) } };
  }
}

function refused(type: string, message: string): Answer {
  return { status: 400, body: { __type: type, message, Message: message } };
}
