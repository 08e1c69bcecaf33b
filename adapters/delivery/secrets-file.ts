import { type FileHandle, mkdir, open, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseSecrets, type SecretStore, type SecretTable, SecretsUnavailable, secretsJson, withSecrets } from './secrets.ts';

const lookEveryMs = 10;

/** Secrets in one file that only its owner may read; it is read again when it has changed, so a running pipeline follows a rotation. */
export class SecretsFile implements SecretStore {
  readonly #path: string;
  readonly #waitMs: number;
  #known: { readonly version: string; readonly table: SecretTable } | undefined;

  /** @param options `waitMs`: for who writes at the same time; 5,000 when left out */
  constructor(path: string, { waitMs = 5_000 }: { readonly waitMs?: number } = {}) {
    this.#path = path;
    this.#waitMs = waitMs;
  }

  async read(endpointName: string): Promise<readonly string[]> {
    return (await this.#table()).get(endpointName) ?? [];
  }

  async write(endpointName: string, secrets: readonly string[]): Promise<void> {
    const next = await this.#openNext();
    try {
      try {
        await next.writeFile(secretsJson(withSecrets(await this.#table(), endpointName, secrets)));
        if (process.platform !== 'win32') await next.chmod(0o600);
        await next.sync();
      } finally {
        await next.close();
      }
      await rename(this.#nextPath, this.#path);
    } catch (cause) {
      await unlink(this.#nextPath).catch(() => undefined);
      throw cause instanceof SecretsUnavailable ? cause : this.#unavailable('written', cause);
    }
  }

  get #nextPath(): string {
    return `${this.#path}.next`;
  }

  /** The file that takes the place of this one. Only one can make it, so whoever has it knows all that was written before. */
  async #openNext(): Promise<FileHandle> {
    for (const endMs = performance.now() + this.#waitMs; ; ) {
      try {
        await mkdir(dirname(this.#path), { recursive: true });
        return await open(this.#nextPath, 'wx', 0o600);
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw this.#unavailable('written', cause);
        if (performance.now() > endMs) {
          throw new SecretsUnavailable(`somebody else is writing the secrets: if nobody is, delete "${this.#nextPath}"`, { cause });
        }
        await delay(lookEveryMs);
      }
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
