import { addAbortSignal, type Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { SecretsFile } from '../adapters/delivery/secrets-file.ts';
import type { SecretStore } from '../adapters/delivery/secrets.ts';
import type { Outcome } from '../adapters/delivery/sender.ts';
import { makeSender } from '../adapters/delivery/senders.ts';
import { checkSigningSecret, newSigningSecret } from '../adapters/delivery/standard-webhooks.ts';
import { ConfigError, webhook } from '../core/config.ts';
import type { Endpoint } from '../core/delivery.ts';
import { nearestOf } from '../core/nearest.ts';
import { exitCodes } from './exit.ts';
import { loadConfig } from './options.ts';
import { secretsPath } from './state-folder.ts';
import type { Session } from './verbs/session.ts';

export type StoreOptions = {
  readonly state: string;
  /** Of Secrets Manager, instead of the state folder. */
  readonly secretId?: string;
  readonly json?: boolean;
};

export type SecretOptions = StoreOptions & { readonly config?: string; readonly set?: boolean; readonly remove?: boolean };
export type RotateOptions = StoreOptions & { readonly finish?: boolean };
export type PingOptions = StoreOptions & { readonly config?: string; readonly name?: string };

/** Shows the signing secret of an endpoint, making one where there is none; or takes another secret from standard input. */
export async function secretCommand(
  name: string,
  options: SecretOptions,
  session: Session,
  stdin: Readable = process.stdin,
): Promise<number> {
  checkName(name);
  if (options.set && options.remove) throw new ConfigError('give --set or --remove, not both');
  const store = await storeOf(options);
  const known = await store.read(name);
  if (options.remove) return told(session, options, { name, secrets: [] }, await removed(store, name, known));
  if (options.set) {
    const secret = (await text(addAbortSignal(session.signal, stdin))).trim();
    if (secret === '' || /\s/.test(secret)) throw new ConfigError('--set reads one secret from standard input, received none or several');
    if (secret.startsWith('whsec_')) checkSigningSecret(secret);
    await store.write(name, [secret]);
    return told(session, options, { name, secrets: [secret] }, `the secret of "${name}" is set`);
  }
  if (known.length === 0) {
    await checkIsWebhook(name, options.config);
    await store.write(name, [newSigningSecret()]);
  }
  const secrets = known.length === 0 ? await store.read(name) : known;
  const what = known.length === 0 ? 'made' : known.length === 1 ? 'known' : 'known; they rotate, the newest is first';
  return told(session, options, { name, secrets, isShown: true }, `the receiver of "${name}" verifies with this (${what})`);
}

/** Makes a new signing secret beside the old one, so that both sign; `finish` forgets the old. */
export async function rotateCommand(name: string, options: RotateOptions, session: Session): Promise<number> {
  checkName(name);
  const store = await storeOf(options);
  const [newest, ...older] = await store.read(name);
  if (newest === undefined)
    throw new ConfigError(`there is no secret of "${name}" to rotate: make one with "tapeline webhook secret ${name}"`);
  if (options.finish) {
    if (older.length === 0)
      throw new ConfigError(`"${name}" does not rotate: it has one secret, begin with "tapeline webhook rotate ${name}"`);
    await store.write(name, [newest]);
    return told(session, options, { name, secrets: [newest] }, `"${name}" signs with the new secret only`);
  }
  if (older.length > 0) throw new ConfigError(`"${name}" rotates already: end that with --finish once its receiver knows the new secret`);
  if (!newest.startsWith('whsec_'))
    throw new ConfigError(`the secret of "${name}" is not ours to make: set the new one with "tapeline webhook secret ${name} --set"`);
  const secrets = [newSigningSecret(), newest];
  await store.write(name, secrets);
  return told(
    session,
    options,
    { name, secrets, isShown: true },
    `both of these sign for "${name}" now: give the first to the receiver, then "tapeline webhook rotate ${name} --finish"`,
  );
}

/** Sends an event that is no signal to an endpoint of the config, or to a URL. */
export async function pingCommand(target: string, options: PingOptions, session: Session): Promise<number> {
  const endpoint = await endpointOf(target, options);
  const sender = makeSender({ secrets: await storeOf(options), isLocalhostAllowed: true });
  const startedMs = performance.now();
  const outcome = await sender.ping(endpoint, Date.now(), session.signal).finally(() => sender.close());
  const durationMs = Math.round(performance.now() - startedMs);
  session.stdout.write(
    options.json
      ? `${JSON.stringify({ endpoint: endpoint.name, ...outcome, durationMs })}\n`
      : `${endpoint.name}: ${outcomeText(outcome)}, ${durationMs} ms\n`,
  );
  return outcome.kind === 'delivered' ? exitCodes.done : exitCodes.failed;
}

/** Standard output has the secrets and nothing else, so that they can be handed on without passing a screen. */
function told(
  { stdout, stderr }: Session,
  { json }: StoreOptions,
  { name, secrets, isShown = false }: { name: string; secrets: readonly string[]; isShown?: boolean },
  note: string,
): number {
  stderr.write(`webhook: ${note}\n`);
  if (json) stdout.write(`${JSON.stringify({ name, secrets: isShown ? secrets : secrets.length })}\n`);
  else if (isShown) stdout.write(`${secrets.join('\n')}\n`);
  return exitCodes.done;
}

async function removed(store: SecretStore, name: string, known: readonly string[]): Promise<string> {
  if (known.length > 0) await store.write(name, []);
  return known.length > 0 ? `the secret of "${name}" is forgotten` : `there was no secret of "${name}"`;
}

async function storeOf({ state, secretId }: StoreOptions): Promise<SecretStore> {
  if (secretId === undefined) return new SecretsFile(secretsPath(state));
  const { secretsManagerOf } = await import('../adapters/delivery/secrets-manager.ts');
  return secretsManagerOf(secretId);
}

/** What a chat needs comes from the chat. */
async function checkIsWebhook(name: string, config: string | undefined): Promise<void> {
  const kind = (await loadConfig(config)).deliver?.find((endpoint) => endpoint.name === name)?.kind ?? 'webhook';
  if (kind === 'webhook') return;
  if (kind === 'command' || kind === 'sqs') throw new ConfigError(`"${name}" is of kind ${kind}, which needs no secret`);
  throw new ConfigError(
    `"${name}" is of kind ${kind}, whose secret is not ours to make: give it with "tapeline webhook secret ${name} --set"`,
  );
}

async function endpointOf(target: string, { config, name }: PingOptions): Promise<Endpoint> {
  if (/^https?:/i.test(target)) return webhook({ url: target, ...(name !== undefined && { name }) });
  const { deliver = [] } = await loadConfig(config);
  const found = deliver.find((endpoint) => endpoint.name === target);
  if (found !== undefined) return found;
  const names = deliver.map((endpoint) => endpoint.name);
  const hint = names.length === 0 ? 'its deliver has none' : `did you mean "${nearestOf(target, names)}"?`;
  throw new ConfigError(`the config has no endpoint "${target}"; ${hint}`);
}

function outcomeText(outcome: Outcome): string {
  if (outcome.kind === 'delivered') return outcome.status === undefined ? 'delivered' : `delivered, answered ${outcome.status}`;
  return `${outcome.kind}: ${outcome.reason}`;
}

function checkName(name: string): void {
  if (!/^[a-z0-9-]{1,40}$/.test(name)) throw new ConfigError(`an endpoint's name must be 1 to 40 of a-z, 0-9 and "-", received "${name}"`);
}
