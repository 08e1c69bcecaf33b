import { AthenaClient, type ColumnInfo } from '@aws-sdk/client-athena';
import { account } from '../../aws/table.ts';
import { type Answer, HttpService, type Request } from '../../http-service.ts';

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
export class FakeAthena extends HttpService {
  readonly calls: Call[] = [];
  #answer: AthenaAnswer = {};
  #asked = 0;
  #isStopped = false;

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

  protected answerTo({ headers, body }: Request): Answer {
    const operation = String(headers['x-amz-target']).replace('AmazonAthena.', '');
    return this.#answerTo(operation, JSON.parse(body.toString()));
  }

  #answerTo(operation: string, input: Record<string, unknown>): Answer {
    this.calls.push({ operation, input });
    const { states = ['SUCCEEDED'], reason, statementType = 'DML' } = this.#answer;
    if (operation === 'StartQueryExecution') {
      if (String(input['QueryString']).includes('SELEC ')) return refused("line 1:1: mismatched input 'SELEC'");
      return { body: { QueryExecutionId: 'query-1' } };
    }
    if (input['QueryExecutionId'] !== 'query-1') return refused('QueryExecution was not found');
    if (operation === 'StopQueryExecution') {
      this.#isStopped = true;
      return { body: {} };
    }
    if (operation === 'GetQueryExecution') {
      const State = this.#isStopped ? 'CANCELLED' : states[Math.min(this.#asked++, states.length - 1)];
      return {
        body: { QueryExecution: { StatementType: statementType, Status: { State, ...(reason && { StateChangeReason: reason }) } } },
      };
    }
    return operation === 'GetQueryResults' ? this.#page(input) : refused(`no ${operation} here`);
  }

  #page({ MaxResults, NextToken = '0' }: Record<string, unknown>): Answer {
    if (Number(MaxResults) > 1_000) return refused('MaxResults is at most 1000');
    const { columns = [], rows = [], statementType = 'DML' } = this.#answer;
    const all = statementType === 'DML' ? [columns.map(({ Name }) => Name), ...rows] : rows;
    const from = Number(NextToken);
    const to = from + Number(MaxResults);
    const Rows = all.slice(from, to).map((row) => ({ Data: row.map((text) => (text === undefined ? {} : { VarCharValue: text })) }));
    return { body: { ResultSet: { Rows, ResultSetMetadata: { ColumnInfo: columns } }, ...(to < all.length && { NextToken: String(to) }) } };
  }
}

function refused(Message: string): Answer {
  return { status: 400, body: { __type: 'InvalidRequestException', Message, message: Message } };
}
