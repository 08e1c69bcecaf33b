import { ConfigError } from '../../core/config-error.ts';
import type { Endpoint } from '../../core/delivery.ts';
import type { Outcome } from '../../core/outcome.ts';
import { signalEventOf } from '../bus/signal-event.ts';
import { AddressGuard, type AddressGuardOptions } from './address-guard.ts';
import { chatLineOf } from './chat-text.ts';
import { deliverToCommand } from './command.ts';
import { discordPost } from './discord.ts';
import { type HttpAnswer, HttpSender, type Post } from './http-sender.ts';
import { retryAfterMsOf, retryAfterMsOfSeconds } from './retry-after.ts';
import { type SecretStore, SecretsUnavailable } from './secrets.ts';
import type { Sender } from './sender.ts';
import { shortText } from './short-text.ts';
import { slackPost } from './slack.ts';
import { SecretError } from './standard-webhooks.ts';
import type { Queues } from './sqs.ts';
import { telegramPost } from './telegram.ts';
import { webhookContentOf, webhookPost } from './webhook.ts';

export type SenderOptions = {
  readonly secrets: SecretStore;
  /** The events' CloudEvents `source`, which names this deployment. @default '/tapeline' */
  readonly source?: string;
  /** Lets endpoints reach `localhost`, by http too: on a laptop, never in the cloud. @default false */
  readonly isLocalhostAllowed?: boolean;
  /** For one attempt. @default 15,000 */
  readonly timeoutMs?: number;
  /** Where bots speak. @default 'https://api.telegram.org' */
  readonly telegramUrl?: string;
  /** Every address of a name. @default DNS */
  readonly resolve?: NonNullable<AddressGuardOptions['resolve']>;
};

/** What a delivery brings, in the two forms in which endpoints take it. */
type Content = {
  readonly endpoint: Endpoint;
  readonly deliveryId: string;
  /** CloudEvents. */
  readonly events: readonly object[];
  /** For people. */
  readonly lines: () => readonly string[];
  readonly attemptedAtMs: number;
};

export type EverySender = Sender & {
  /** Shows that an endpoint can be reached, with an event that is no signal. */
  ping(endpoint: Endpoint, attemptedAtMs: number, signal: AbortSignal): Promise<Outcome>;
  close(): void;
};

/** Speaks to every kind of endpoint. Its connections are shared and bounded; `close` ends the idle ones. */
export function makeSender(options: SenderOptions): EverySender {
  const {
    secrets,
    source = '/tapeline',
    isLocalhostAllowed = false,
    timeoutMs = 15_000,
    telegramUrl = 'https://api.telegram.org',
  } = options;
  const httpSenders = new Map<string, HttpSender>();
  let queues: Promise<Queues> | undefined;
  return {
    send: ({ signals, ...attempt }, signal) =>
      bring({ ...attempt, events: signals.map((each) => signalEventOf(each, { source })), lines: () => signals.map(chatLineOf) }, signal),
    ping: (endpoint, attemptedAtMs, signal) => bring(pingOf(endpoint, attemptedAtMs), signal),
    close() {
      for (const sender of httpSenders.values()) sender.close();
      void queues?.then((each) => each.close());
    },
  };

  async function bring(content: Content, signal: AbortSignal): Promise<Outcome> {
    const { endpoint, deliveryId, events } = content;
    try {
      if (endpoint.kind === 'command') {
        const input = events.map((event) => `${JSON.stringify(event)}\n`).join('');
        return await deliverToCommand({ command: endpoint.command, deliveryId, input, timeoutMs }, signal);
      }
      if (endpoint.kind === 'sqs') return await (await queuesOf()).send({ ...content, endpoint }, signal);
      const known = await secrets.read(endpoint.name);
      if (known.length === 0) return missingSecretOf(endpoint);
      const answer = await httpSenderOf(endpoint).post(postOf(content, endpoint, known), signal);
      return outcomeOf(withoutSecrets(answer, known), content);
    } catch (error) {
      signal.throwIfAborted();
      return outcomeOfError(error);
    }
  }

  function pingOf(endpoint: Endpoint, attemptedAtMs: number): Content {
    const id = `ping_${attemptedAtMs}`;
    const time = new Date(attemptedAtMs).toISOString();
    const event = { specversion: '1.0', id, source, type: 'tapeline.ping.v1', time, datacontenttype: 'application/json', data: {} };
    const lines = () => ['Tapeline can be heard here. This is no signal.'];
    return { endpoint, deliveryId: id, events: [event], lines, attemptedAtMs };
  }

  function postOf({ deliveryId, events, lines, attemptedAtMs }: Content, endpoint: HttpEndpoint, known: readonly string[]): Post {
    const [secret] = known as [string];
    switch (endpoint.kind) {
      case 'webhook': {
        const content = webhookContentOf(events, { isBatch: endpoint.batch !== undefined });
        return webhookPost({ url: endpoint.url, deliveryId, content, secrets: known, attemptedAtMs });
      }
      case 'slack':
        return slackPost(lines(), secret);
      case 'discord':
        return discordPost(lines(), secret);
      case 'telegram':
        return telegramPost(lines(), { token: secret, chatId: endpoint.chatId, apiUrl: telegramUrl });
    }
  }

  /** Few have queues, and their client takes a while to load. */
  function queuesOf(): Promise<Queues> {
    queues ??= import('./sqs.ts').then(({ Queues }) => new Queues({ timeoutMs }));
    return queues;
  }

  /** Connections are shared among endpoints that may reach the same. */
  function httpSenderOf(endpoint: HttpEndpoint): HttpSender {
    const allow = endpoint.kind === 'webhook' ? (endpoint.allowPrivate ?? []) : [];
    const key = allow.join(' ');
    const { resolve } = options;
    const guard = () => new AddressGuard({ allow, isLocalhostAllowed, ...(resolve && { resolve }) });
    const sender = httpSenders.get(key) ?? new HttpSender({ guard: guard(), timeoutMs });
    httpSenders.set(key, sender);
    return sender;
  }
}

type HttpEndpoint = Exclude<Endpoint, { kind: 'command' | 'sqs' }>;

const secretOf: Record<HttpEndpoint['kind'], string> = {
  webhook: 'signing secret',
  slack: 'channel address',
  discord: 'channel address',
  telegram: 'bot token',
};

function missingSecretOf({ kind, name }: HttpEndpoint): Outcome {
  return { kind: 'refused', reason: `there is no ${secretOf[kind]} for "${name}": set one with "tapeline webhook secret ${name}"` };
}

/** 2xx is success and nothing else is; 410 says that nobody is there any more. */
function outcomeOf(answer: HttpAnswer, { endpoint, attemptedAtMs }: Content): Outcome {
  if (answer.kind !== 'answered') return answer;
  const { status, body } = answer;
  if (status >= 200 && status < 300) return { kind: 'delivered', status };
  const said = status >= 300 && status < 400 ? 'redirects are not followed' : body;
  const reason = shortText(`answered ${status}${said === '' ? '' : `: ${said}`}`);
  if (status === 410) return { kind: 'gone', reason };
  const waits = [retryAfterMsOf(answer.retryAfter, attemptedAtMs), endpoint.kind === 'webhook' ? undefined : waitSaidIn(body)];
  const known = waits.filter((wait) => wait !== undefined);
  return { kind: 'failed', reason, status, ...(known.length > 0 && { retryAfterMs: Math.max(...known) }) };
}

/** Discord and Telegram say in the body how long to wait, more exactly than in a header. */
function waitSaidIn(body: string): number | undefined {
  try {
    const { retry_after, parameters } = JSON.parse(body) as { retry_after?: unknown; parameters?: { retry_after?: unknown } };
    return retryAfterMsOfSeconds(retry_after ?? parameters?.retry_after);
  } catch {
    return undefined;
  }
}

function outcomeOfError(error: unknown): Outcome {
  if (error instanceof SecretsUnavailable) return { kind: error.retryable ? 'failed' : 'refused', reason: error.message };
  if (error instanceof SecretError || error instanceof ConfigError) return { kind: 'refused', reason: error.message };
  throw error;
}

/** A receiver may repeat in its answer what it was told or where it was asked. Before anything is cut off, which may leave half of it. */
function withoutSecrets(answer: HttpAnswer, secrets: readonly string[]): HttpAnswer {
  const parts = secrets
    .flatMap((secret) => (URL.canParse(secret) ? [secret, new URL(secret).pathname] : [secret]))
    .filter((part) => part.length > 3);
  const cleaned = (text: string) => parts.reduce((rest, part) => rest.replaceAll(part, '…'), text);
  return answer.kind === 'answered' ? { ...answer, body: cleaned(answer.body) } : { ...answer, reason: cleaned(answer.reason) };
}
