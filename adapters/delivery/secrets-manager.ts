import { GetSecretValueCommand, PutSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { failureOf } from '../aws-failure.ts';
import { parseSecrets, type SecretStore, type SecretTable, SecretsUnavailable, secretsJson, withSecrets } from './secrets.ts';

export type SecretsManagerOptions = {
  readonly client: SecretsManagerClient;
  /** The name or ARN of the one secret that holds all. */
  readonly secretId: string;
  /** How long what was read counts; a rotation is known to all after it. @default 300,000 */
  readonly cacheMs?: number;
  /** @default the clock */
  readonly nowMs?: () => number;
};

/** The secret of this name or ARN, in the account and region of the environment. */
export function secretsManagerOf(secretId: string): SecretStore {
  return new SecretsManagerSecrets({ client: new SecretsManagerClient(), secretId });
}

/** Secrets in one JSON secret of AWS Secrets Manager. */
export class SecretsManagerSecrets implements SecretStore {
  readonly #options: Required<SecretsManagerOptions>;
  #known: { readonly untilMs: number; readonly table: Promise<SecretTable> } | undefined;

  constructor(options: SecretsManagerOptions) {
    this.#options = { cacheMs: 300_000, nowMs: Date.now, ...options };
  }

  async read(endpointName: string): Promise<readonly string[]> {
    const { cacheMs, nowMs } = this.#options;
    if (this.#known === undefined || nowMs() >= this.#known.untilMs) this.#known = { untilMs: nowMs() + cacheMs, table: this.#load() };
    const { table } = this.#known;
    // A failure is not remembered: the next delivery asks again.
    table.catch(() => {
      if (this.#known?.table === table) this.#known = undefined;
    });
    return (await table).get(endpointName) ?? [];
  }

  async write(endpointName: string, secrets: readonly string[]): Promise<void> {
    const { client, secretId } = this.#options;
    const SecretString = secretsJson(withSecrets(await this.#load(), endpointName, secrets));
    this.#known = undefined;
    await client.send(new PutSecretValueCommand({ SecretId: secretId, SecretString })).catch((cause) => {
      throw this.#unavailable('written', cause);
    });
  }

  async #load(): Promise<SecretTable> {
    const { client, secretId } = this.#options;
    try {
      const { SecretString = '{}' } = await client.send(new GetSecretValueCommand({ SecretId: secretId }));
      return parseSecrets(SecretString, `the secret "${secretId}"`);
    } catch (cause) {
      throw cause instanceof SecretsUnavailable ? cause : this.#unavailable('read', cause);
    }
  }

  #unavailable(what: string, cause: unknown): SecretsUnavailable {
    return new SecretsUnavailable(`the secret "${this.#options.secretId}" cannot be ${what}: ${(cause as Error).name}`, {
      retryable: failureOf(cause) === 'passing',
      cause,
    });
  }
}
