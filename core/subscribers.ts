import { type Checks, checkOptions, choiceChecks, matching, withoutCredentials } from './checks.ts';
import { ConfigError } from './config-error.ts';
import type { Choices } from './delivery.ts';

/** Which signals a subscriber of the topic gets. What is left out does not matter. */
export type SignalFilter = Pick<Choices, 'symbols' | 'strategies' | 'sides' | 'intervals' | 'confidenceMin'>;

/** A mailbox, an https address or a standard queue of Amazon SQS, with the signals that it gets. The first two have to confirm it to SNS. */
export type Subscriber = SignalFilter & ({ readonly email: string } | { readonly url: string } | { readonly queueArn: string });

/** The subscribers of the cloud's topic. @throws ConfigError */
export function subscribersOf(subscribe: readonly Subscriber[]): readonly Subscriber[] {
  if (!Array.isArray(subscribe))
    throw new ConfigError(`subscribe must be a list such as [{ email: 'desk@example.com' }], received "${String(subscribe)}"`);
  const known = new Set<string>();
  for (const address of subscribe.map(checkedAddress)) {
    if (known.has(address)) throw new ConfigError(`subscribe must have each subscriber once, received "${address}" twice`);
    known.add(address);
  }
  return subscribe;
}

const addressChecks = {
  email: matching(/^[^@\s]+@[^@\s]+$/, 'an e-mail address'),
  url: (value, of) =>
    matching(/^https:\/\/[^/@\s]+(\/\S*)?$/, 'an https URL without credentials such as "https://example.com/signals"')(
      withoutCredentials(String(value)),
      of,
    ),
  // SNS gives nothing to a FIFO queue from a topic that is none.
  queueArn: matching(
    /^arn:aws(-cn|-us-gov)?:sqs:[a-z0-9-]+:\d{12}:[\w-]{1,80}$/,
    'the ARN of a standard queue; deliver to a FIFO queue with sqs',
  ),
} satisfies Checks;

/** The one address of a subscriber whose options are all right. */
function checkedAddress(subscriber: unknown): string {
  const options = (typeof subscriber === 'object' && subscriber !== null ? subscriber : {}) as Readonly<Record<string, unknown>>;
  checkOptions('subscribe', options, { ...addressChecks, ...choiceChecks }, new Set());
  const [address, ...others] = Object.keys(addressChecks).flatMap((kind) => options[kind] ?? []);
  if (address === undefined || others.length > 0)
    throw new ConfigError(
      `subscribe must hold objects with one of ${Object.keys(addressChecks).join(', ')}, received "${JSON.stringify(subscriber)}"`,
    );
  return String(address);
}
