import { TapelineError } from '../errors.ts';

/**
 * What endpoints need to know and the config must not hold: signing secrets, addresses of chat channels, tokens of bots. Nothing of it is in
 * an error, a log or an event.
 */
export interface SecretStore {
  /** All of an endpoint's, the newest first; more than one only while it rotates. None where there is none. @throws SecretsUnavailable */
  read(endpointName: string): Promise<readonly string[]>;
  /** Replaces all of an endpoint's; with none it is forgotten. Whoever reads meanwhile sees the old or the new. @throws SecretsUnavailable */
  write(endpointName: string, secrets: readonly string[]): Promise<void>;
}

/** The store cannot be read or written. The message never holds a secret. */
export class SecretsUnavailable extends TapelineError {
  constructor(message: string, options: { readonly retryable?: boolean; readonly cause?: unknown } = {}) {
    super(message, { code: 'secrets-unavailable', ...options });
  }
}

export type SecretTable = ReadonlyMap<string, readonly string[]>;

/** Reads what `secretsJson` writes. @throws SecretsUnavailable */
export function parseSecrets(json: string, where: string): SecretTable {
  // A parser's message shows the text around the fault.
  const value = parsed(json);
  const entries = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : undefined;
  if (!entries?.every(([, secrets]) => Array.isArray(secrets) && secrets.every((secret) => typeof secret === 'string')))
    throw new SecretsUnavailable(`${where} must hold JSON such as {"endpoint-name":["secret"]}, received something else`);
  return new Map(entries as [string, string[]][]);
}

export function secretsJson(table: SecretTable): string {
  return `${JSON.stringify(Object.fromEntries(table), null, 2)}\n`;
}

export function withSecrets(table: SecretTable, endpointName: string, secrets: readonly string[]): SecretTable {
  const others = [...table].filter(([name]) => name !== endpointName);
  return new Map(secrets.length === 0 ? others : [...others, [endpointName, secrets]]);
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
