import { randomUUID } from 'node:crypto';
import { chmod, mkdir, open, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseSecrets, type SecretStore, type SecretTable, SecretsUnavailable, secretsJson, withSecrets } from './secrets.ts';

/** Secrets in one file that only its owner may read; it is read again when it has changed, so a running pipeline follows a rotation. */
export class SecretsFile implements SecretStore {
  readonly #path: string;
  #known: { readonly version: string; readonly table: SecretTable } | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async read(endpointName: string): Promise<readonly string[]> {
    return (await this.#table()).get(endpointName) ?? [];
  }

  async write(endpointName: string, secrets: readonly string[]): Promise<void> {
    const text = secretsJson(withSecrets(await this.#table(), endpointName, secrets));
    const temporary = `${this.#path}.${randomUUID()}`;
    try {
      await mkdir(dirname(this.#path), { recursive: true });
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      if (process.platform !== 'win32') await chmod(temporary, 0o600);
      await rename(temporary, this.#path);
    } catch (cause) {
      await unlink(temporary).catch(() => undefined);
      throw this.#unavailable('written', cause);
    }
  }

  async #table(): Promise<SecretTable> {
    const found = await stat(this.#path, { bigint: true }).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') return undefined;
      throw this.#unavailable('read', cause);
    });
    if (found === undefined) return new Map();
    const version = `${found.ino} ${found.mtimeNs} ${found.size} ${found.mode}`;
    if (this.#known?.version !== version) this.#known = { version, table: await this.#load() };
    return this.#known.table;
  }

  async #load(): Promise<SecretTable> {
    const file = await open(this.#path).catch((cause) => {
      throw this.#unavailable('read', cause);
    });
    try {
      // Of what was opened, so that nothing can be put in its place between the look and the reading.
      const { mode, uid } = await file.stat();
      if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
        throw new SecretsUnavailable(
          `others may read the secrets in "${this.#path}" (mode ${(mode & 0o777).toString(8)}): make new ones if they may have, then chmod 600 "${this.#path}"`,
        );
      }
      if (process.platform !== 'win32' && uid !== process.getuid?.())
        throw new SecretsUnavailable(`the secrets in "${this.#path}" belong to another user, so they are not used`);
      return parseSecrets(await file.readFile('utf8'), `"${this.#path}"`);
    } finally {
      await file.close();
    }
  }

  #unavailable(what: string, cause: unknown): SecretsUnavailable {
    return new SecretsUnavailable(`the secrets in "${this.#path}" cannot be ${what}: ${(cause as NodeJS.ErrnoException).code}`, {
      retryable: true,
      cause,
    });
  }
}
