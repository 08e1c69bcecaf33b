import { HttpService, type Request } from '../http-service.ts';

/** What an operation answers: its output, or an error by its name. */
export type Answer = { readonly output: object } | { readonly error: string; readonly message?: string };
export type Answers = Readonly<Record<string, Answer | ((input: unknown) => Answer)>>;

/**
 * AWS as its clients see it, in the protocols that they speak here: JSON by target, queries in XML, and Lambda's paths. Operations have answers by
 * their names; one without is denied.
 */
export class FakeAws extends HttpService {
  answers: Answers = {};
  readonly asked: string[] = [];

  protected answerTo({ method, url, headers, body }: Request) {
    const target = headers['x-amz-target'];
    const query = target === undefined && method === 'POST' ? new URLSearchParams(body.toString()) : undefined;
    const operation = typeof target === 'string' ? (target.split('.').at(-1) as string) : (query?.get('Action') ?? operationOf(url));
    const input: unknown = query === undefined ? (body.length === 0 ? { url } : JSON.parse(body.toString())) : Object.fromEntries(query);
    this.asked.push(operation);
    const given = this.answers[operation] ?? { error: 'AccessDeniedException', message: `not authorized to perform ${operation}` };
    const answer = typeof given === 'function' ? given(input) : given;
    return query === undefined ? asJson(answer) : asXml(operation, answer);
  }
}

function operationOf(url: string): string {
  if (url.includes('/account-settings')) return 'GetAccountSettings';
  if (url.includes('/layers')) return 'ListLayers';
  return url.includes('/event-source-mappings/') ? 'GetEventSourceMapping' : url;
}

function asJson(answer: Answer) {
  const type = { 'content-type': 'application/x-amz-json-1.1' };
  if ('output' in answer) return { status: 200, headers: type, body: JSON.stringify(answer.output) };
  const { error, message = error } = answer;
  return { status: 400, headers: { ...type, 'x-amzn-errortype': error }, body: JSON.stringify({ __type: error, message }) };
}

function asXml(operation: string, answer: Answer) {
  const headers = { 'content-type': 'text/xml' };
  if ('output' in answer) {
    const result = `<${operation}Result>${xmlOf(answer.output)}</${operation}Result>`;
    return { status: 200, headers, body: `<${operation}Response>${result}</${operation}Response>` };
  }
  const { error, message = error } = answer;
  const body = `<ErrorResponse><Error><Type>Sender</Type><Code>${error}</Code><Message>${message}</Message></Error></ErrorResponse>`;
  return { status: 400, headers, body };
}

function xmlOf(value: unknown): string {
  if (Array.isArray(value)) return value.map((item) => `<member>${xmlOf(item)}</member>`).join('');
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, inner]) => `<${name}>${xmlOf(inner)}</${name}>`)
    .join('');
}
