import { S3Bucket } from '../../../adapters/s3/bucket.ts';
import { type Answer, HttpService, type Request } from '../../http-service.ts';

type Version = { readonly id: string; readonly bytes: Buffer };

/** As much of S3 as the adapters ask for: one bucket over HTTP, with versions of each key or without. */
export class FakeS3 extends HttpService {
  /** By key, oldest first. */
  readonly versions = new Map<string, Version[]>();
  readonly requests: string[] = [];
  isVersioned = true;
  #made = 0;

  get bucket(): S3Bucket {
    return new S3Bucket({
      url: this.endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      wait: async () => {},
    });
  }

  protected answerTo({ method, url, body: bytes }: Request): Answer {
    const { pathname, searchParams } = new URL(url, 'http://s3');
    const key = pathname.slice(1);
    const wanted = searchParams.get('versionId');
    this.requests.push(`${method} ${key}`);
    const ofKey = this.versions.get(key) ?? [];
    if (method === 'PUT') {
      const id = this.isVersioned ? `v${++this.#made}/+` : 'null';
      this.versions.set(key, [...(this.isVersioned ? ofKey : []), { id, bytes }]);
      return { status: 200, ...(this.isVersioned && { headers: { 'x-amz-version-id': id } }) };
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
