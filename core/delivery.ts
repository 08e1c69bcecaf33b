import {
  type Check,
  type Checks,
  checkOptions,
  choiceChecks,
  listOf,
  matching,
  number,
  oneOf,
  refuse,
  withoutCredentials,
} from './checks.ts';
import { ConfigError } from './config-error.ts';
import type { Side } from './signal.ts';
import { checkSilence, type Silence } from './silence.ts';

/** Which signals an endpoint gets, when, and how many at once. What is left out does not matter. */
export type Choices = {
  readonly symbols?: readonly string[];
  readonly strategies?: readonly string[];
  readonly sides?: readonly Side[];
  /** The bars that were decided on, such as `5m`. */
  readonly intervals?: readonly string[];
  /** From 0 to 1. */
  readonly confidenceMin?: number;
  /** Hours in which nothing is sent, by the clock and not by event time. @default none */
  readonly silence?: readonly Silence[];
  /** What becomes of a signal that comes in silent hours: it waits until they end, or it is never sent. @default 'hold' */
  readonly onSilence?: 'hold' | 'drop';
  /**
   * Several signals in one delivery: as soon as there are `signalsMax` (2 to 40), or the oldest has waited `waitMs` (up to an hour). One
   * delivery then has signals of many symbols, and all of the endpoint's are in one order.
   * @default each signal by itself, at once
   */
  readonly batch?: Batch;
};

export type Batch = { readonly signalsMax: number; readonly waitMs: number };

type Named = Choices & {
  /** Names the endpoint's state and its secret: 1 to 40 of `a-z`, `0-9`, `-`. A new name is a new endpoint. */
  readonly name: string;
};

/** A POST of a signed CloudEvent by Standard Webhooks v1. Its signing secret is in the secret store under the endpoint's name. */
export type WebhookEndpoint = Named & {
  readonly kind: 'webhook';
  /** https; http only to this machine. No credentials. */
  readonly url: string;
  /** Private addresses that it may reach all the same: hosts, or networks such as `10.0.0.0/8`. @default none */
  readonly allowPrivate?: readonly string[];
};

/** A channel's incoming webhook; its address is a secret, and is in the secret store under the endpoint's name. */
export type SlackEndpoint = Named & { readonly kind: 'slack' };
export type DiscordEndpoint = Named & { readonly kind: 'discord' };

/** A bot's message to a chat; the bot's token is in the secret store under the endpoint's name. */
export type TelegramEndpoint = Named & { readonly kind: 'telegram'; readonly chatId: string };

/**
 * A queue of Amazon SQS, each message a CloudEvent. In a FIFO queue they are grouped by symbol and known by their id: the receiver has them in
 * order, and none twice within SQS's five minutes.
 */
export type SqsEndpoint = Named & {
  readonly kind: 'sqs';
  /** Such as `arn:aws:sqs:eu-central-1:123456789012:signals.fifo`. */
  readonly queueArn: string;
};

/** A program on this machine that is started for each delivery and reads it from its standard input. Exit code 0 is success. */
export type CommandEndpoint = Named & { readonly kind: 'command'; readonly command: readonly string[] };

/** Where signals are delivered to. Secrets are never part of it. */
export type Endpoint = WebhookEndpoint | SlackEndpoint | DiscordEndpoint | TelegramEndpoint | SqsEndpoint | CommandEndpoint;

type Options<E extends Endpoint> = Omit<E, 'kind'>;

/** @param options `name` is the URL's host when left out, its dots as `-`. @throws ConfigError */
export function webhook(options: Omit<Options<WebhookEndpoint>, 'name'> & { readonly name?: string }): WebhookEndpoint {
  return checked({ ...options, kind: 'webhook', name: options.name ?? hostNameOf(options.url) });
}

/** @throws ConfigError */
export function slack(options: Options<SlackEndpoint>): SlackEndpoint {
  return checked({ ...options, kind: 'slack' });
}

/** @throws ConfigError */
export function discord(options: Options<DiscordEndpoint>): DiscordEndpoint {
  return checked({ ...options, kind: 'discord' });
}

/** @throws ConfigError */
export function telegram(options: Options<TelegramEndpoint>): TelegramEndpoint {
  return checked({ ...options, kind: 'telegram' });
}

/** @param options `name` is the queue's when left out, in small letters and `-`. @throws ConfigError */
export function sqs(options: Omit<Options<SqsEndpoint>, 'name'> & { readonly name?: string }): SqsEndpoint {
  return checked({ ...options, kind: 'sqs', name: options.name ?? nameOf(String(options.queueArn).split(':').at(-1) as string) });
}

/** @throws ConfigError */
export function command(options: Options<CommandEndpoint>): CommandEndpoint {
  return checked({ ...options, kind: 'command' });
}

/** The endpoints of a config's `deliver`. @throws ConfigError */
export function endpointsOf(deliver: unknown): readonly Endpoint[] {
  if (!Array.isArray(deliver)) throw new ConfigError(`deliver must be a list such as [webhook({ url: … })], received "${String(deliver)}"`);
  const names = new Set<string>();
  for (const endpoint of deliver as Endpoint[]) {
    if (typeof endpoint !== 'object' || endpoint === null || !Object.hasOwn(ownChecks, endpoint.kind)) {
      throw new ConfigError(`deliver must hold what ${kinds.join(', ')} return, received "${String(endpoint)}"`);
    }
    checked(endpoint);
    if (names.has(endpoint.name)) throw new ConfigError(`endpoints must have names of their own, received "${endpoint.name}" twice`);
    names.add(endpoint.name);
  }
  return deliver as Endpoint[];
}

/** Those that the cloud delivers to: a command is a program of one machine. */
export function cloudEndpointsOf({ deliver = [] }: { readonly deliver?: readonly Endpoint[] }): readonly Endpoint[] {
  return deliver.filter(({ kind }) => kind !== 'command');
}

/** @see https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html */
const queuePattern = /^arn:aws(-cn|-us-gov)?:sqs:[a-z0-9-]+:\d{12}:([\w-]{1,80}|[\w-]{1,75}\.fifo)$/;

/** The queues that are delivered to, for who grants that. */
export function queueArnsOf({ deliver = [] }: { readonly deliver?: readonly Endpoint[] }): readonly string[] {
  return deliver.flatMap((endpoint) => (endpoint.kind === 'sqs' ? endpoint.queueArn : []));
}

const commonChecks: Record<keyof Named, Check> = {
  name: matching(/^[a-z0-9-]{1,40}$/, '1 to 40 of a-z, 0-9 and "-"'),
  ...choiceChecks,
  silence: checkSilence,
  onSilence: oneOf('hold', 'drop'),
  batch: checkBatch,
};

const ownChecks: Record<Endpoint['kind'], Checks> = {
  webhook: {
    url: checkUrl,
    allowPrivate: listOf(matching(/^([0-9a-f.:]+\/\d{1,3}|[a-z0-9.-]+|[0-9a-f:.]+)$/i, 'a host, or a network such as "10.0.0.0/8"')),
  },
  slack: {},
  discord: {},
  telegram: { chatId: matching(/^(-?\d{1,20}|@\w{5,32})$/, 'the number of a chat as text, or "@" and the name of a channel') },
  sqs: { queueArn: matching(queuePattern, 'the ARN of a queue such as "arn:aws:sqs:eu-central-1:123456789012:signals"') },
  command: { command: listOf((value, of) => typeof value === 'string' || refuse(of, 'a list of texts such as ["notify-send"]', value)) },
};

const kinds = Object.keys(ownChecks);
const required = new Set(['name', 'url', 'chatId', 'queueArn', 'command']);

function checked<E extends Endpoint>(endpoint: E): E {
  const { kind, ...options } = endpoint;
  checkOptions(kind, options, { ...commonChecks, ...ownChecks[kind] }, required);
  return endpoint;
}

/**
 * As far as the text can say; which address it leads to is checked when a connection is made.
 * The host `localhost` and the loopback addresses as they are usually written are this machine.
 */
function checkUrl(value: unknown, of: string): void {
  const wanted = 'an https URL such as "https://example.com/hooks" (http only to localhost) without credentials or fragment';
  const parts = typeof value === 'string' ? urlPattern.exec(value)?.groups : undefined;
  if (parts === undefined) refuse(of, wanted, withoutCredentials(String(value)));
  if (parts['scheme'] === 'http' && !localHosts.has((parts['host'] as string).toLowerCase())) refuse(of, wanted, value);
}

const urlPattern = /^(?<scheme>https?):\/\/(?<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?([/?][\x21\x22\x24-\x7e]*)?$/i;
const localHosts = new Set(['localhost', '127.0.0.1', '[::1]']);

function hostNameOf(url: unknown): string {
  const host = urlPattern.exec(String(url))?.groups?.['host'] ?? 'webhook';
  return nameOf(host);
}

function nameOf(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 40);
}

function checkBatch(value: unknown, of: string): void {
  const { signalsMax, waitMs, ...rest } = (typeof value === 'object' && value !== null ? value : {}) as Partial<Batch>;
  if (Object.keys(rest).length > 0 || signalsMax === undefined || waitMs === undefined)
    refuse(of, 'an object such as { signalsMax: 20, waitMs: 5_000 }', JSON.stringify(value));
  number(2, 40, true)(signalsMax, `${of}.signalsMax`);
  number(0, 3_600_000, true)(waitMs, `${of}.waitMs`);
}
