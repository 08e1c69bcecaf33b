import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Request = {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
};

/** An answer, or what becomes of the connection instead. A body that is neither text nor bytes goes out as JSON. */
export type Answer =
  | { readonly status?: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: object | string }
  | 'cut'
  | 'silent';

/** A service of the outside world, on a free port of this machine. */
export abstract class HttpService {
  readonly #server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = '', url = '', headers } = request;
    const answer = this.answerTo({ method, url, headers, body: Buffer.concat(chunks) });
    if (answer === 'cut') request.socket.destroy();
    else if (answer !== 'silent') response.writeHead(answer.status ?? 200, answer.headers).end(bytesOf(answer.body));
  });

  static async start<T extends HttpService>(this: new () => T): Promise<T> {
    const service = new this();
    await new Promise<void>((resolve) => service.#server.listen(0, '127.0.0.1', resolve));
    return service;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  protected abstract answerTo(request: Request): Answer;
}

function bytesOf(body: object | string = ''): string | Buffer {
  return typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
}
