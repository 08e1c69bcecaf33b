import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Answer = { readonly status: number; readonly body: string; readonly headers?: Readonly<Record<string, string>> };
export type Call = { readonly headers: IncomingHttpHeaders; readonly body: string };

export type Fault = {
  /** As in the variable that names the endpoint of one service alone. */
  readonly service: 'DYNAMODB' | 'EVENTBRIDGE';
  /** The operation that fails; the others go through. */
  readonly target: string;
  readonly answer: (call: Call) => Promise<Answer>;
};

/** Runs in a deployed function before its handler is loaded, and stands between that and one service. */
export async function standBetween({ service, target, answer }: Fault): Promise<void> {
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const call = { headers: request.headers, body };
    const answered = await (request.headers['x-amz-target'] === target ? answer(call) : forward(call));
    response.writeHead(answered.status, answered.headers).end(answered.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  process.env[`AWS_ENDPOINT_URL_${service}`] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export async function forward({ headers, body }: Call): Promise<Answer> {
  const kept = Object.entries(headers).filter(([name]) => !['host', 'connection', 'content-length'].includes(name));
  const endpoint = process.env['AWS_ENDPOINT_URL'] ?? '';
  const response = await fetch(endpoint, { method: 'POST', headers: kept as [string, string][], body });
  const checksum = response.headers.get('x-amz-crc32');
  return { status: response.status, body: await response.text(), ...(checksum !== null && { headers: { 'x-amz-crc32': checksum } }) };
}
