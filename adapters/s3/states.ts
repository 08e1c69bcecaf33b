import { TapelineError } from '../errors.ts';
import type { StateObjects } from '../stores/dynamodb.ts';
import type { S3Bucket } from './bucket.ts';

/** The states of buckets on S3, a key each, of which every put is a version: what the table names stays while others put theirs. */
export class S3States implements StateObjects {
  readonly #bucket: S3Bucket;

  constructor({ bucket }: { readonly bucket: S3Bucket }) {
    this.#bucket = bucket;
  }

  /** @throws ObjectRefused; StatesUnversioned */
  async put(key: string, bytes: Uint8Array): Promise<string> {
    const version = await this.#bucket.put(key, { body: bytes, contentType: 'application/octet-stream' });
    // Suspended versions are all named so, and each replaces the one before.
    if (version === undefined || version === 'null') throw new StatesUnversioned(key);
    return `${key}?versionId=${encodeURIComponent(version)}`;
  }

  get(name: string): Promise<Uint8Array | undefined> {
    return this.#bucket.get(name);
  }

  remove(name: string): Promise<void> {
    return this.#bucket.remove(name);
  }
}

class StatesUnversioned extends TapelineError {
  constructor(key: string) {
    super(`the bucket of states keeps no versions, so that the next state would overwrite "${key}"; turn its versioning on`, {
      code: 'states-unversioned',
    });
  }
}
