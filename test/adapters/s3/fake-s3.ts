import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { S3Bucket } from '../../../adapters/s3/bucket.ts';

type Version = { readonly id: string; readonly bytes: Buffer };

/** As much of S3 as the adapters ask for: one bucket over HTTP, with versions of each key or without. */
export class FakeS3 {
  /** By key, oldest first. */
  readonly versions = new Map<string, Version[]>();
  readonly requests: string[] = [];
  isVersioned = true;
  #made = 0;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', async (request, response) => {
      const { status, body, version } = this.#answer(request, await bytesOf(request));
      response.writeHead(status, version === undefined ? {} : { 'x-amz-version-id': version }).end(body);
    });
  }

  static async start(): Promise<FakeS3> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new FakeS3(server);
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  get bucket(): S3Bucket {
    const { port } = this.#server.address() as AddressInfo;
    return new S3Bucket({
      url: `http://127.0.0.1:${port}`,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      wait: async () => {},
    });
  }

  #answer({ method = '', url = '' }: IncomingMessage, bytes: Buffer): { status: number; body?: Buffer; version?: string } {
    const { pathname, searchParams } = new URL(url, 'http://s3');
    const key = pathname.slice(1);
    const wanted = searchParams.get('versionId');
    this.requests.push(`${method} ${key}`);
    const ofKey = this.versions.get(key) ?? [];
    if (method === 'PUT') {
      const id = this.isVersioned ? `v${++this.#made}/+` : 'null';
      this.versions.set(key, [...(this.isVersioned ? ofKey : []), { id, bytes }]);
      return { status: 200, ...(this.isVersioned && { version: id }) };
    }
    const found = wanted === null ? ofKey.at(-1) : ofKey.find(({ id }) => id === wanted);
    if (method === 'GET') return found === undefined ? { status: 404 } : { status: 200, body: found.bytes };
    this.versions.set(
      key,
      ofKey.filter((version) => version !== found),
    );
    return { status: 204 };
  }
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
