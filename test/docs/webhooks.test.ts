import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { signalEventOf } from '../../adapters/bus/signal-event.ts';
import { signalEventSource } from '../../lib/signal-event.ts';
import { failures } from '../../local/listen.ts';
import { signalOf } from '../adapters/bus/signals.ts';
import { root } from '../house/project.ts';
import { pageNamed, tableOf } from './pages.ts';

const receive = pageNamed('docs/receive/README.md');
const [rule, filterPolicy] = [...receive.text.matchAll(/```json\n(.*?)```/gs)].map(([, json]) => JSON.parse(json as string)) as [
  Pattern,
  Pattern,
];

type Pattern = { readonly [field: string]: Pattern | readonly unknown[] };

/** What EventBridge and SNS do with a pattern, as far as the page uses it. @see https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html */
function matches(pattern: Pattern, value: unknown): boolean {
  return Object.entries(pattern).every(([field, wanted]) => {
    const found = (value as Record<string, unknown> | undefined)?.[field];
    return Array.isArray(wanted) ? wanted.some((one) => meets(one, found)) : matches(wanted as Pattern, found);
  });
}

function meets(one: unknown, found: unknown): boolean {
  if (typeof one !== 'object' || one === null) return one === found;
  const { prefix, numeric } = one as { prefix?: string; numeric?: [string, number] };
  if (prefix !== undefined) return typeof found === 'string' && found.startsWith(prefix);
  return numeric?.[0] === '>=' && (found as number) >= numeric[1];
}

describe('docs/webhooks.md', () => {
  const page = pageNamed('docs/webhooks.md');

  it('has every way in which the listener fails', () => {
    const named = tableOf(page, '--fail').map(([name]) => name);
    expect(named.slice(1)).toEqual(Object.keys(failures));
  });

  it('names schemas that there are', () => {
    const named = [...page.text.matchAll(/`(schemas\/[\w.-]+)`/g)].map(([, file]) => file as string);
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });
});

describe('docs/receive/README.md', () => {
  const eventOf = (changes: Parameters<typeof signalOf>[2], symbol = 'IBM') =>
    signalEventOf(signalOf(symbol, 0, changes), { source: '/tapeline' });
  const envelopeOf = (event: ReturnType<typeof eventOf>) => ({ source: signalEventSource, 'detail-type': event.type, detail: event });

  it('has a rule that takes what it says, and nothing else', () => {
    const takes = (changes: object, symbol?: string) => matches(rule, envelopeOf(eventOf(changes, symbol)));
    expect([takes({}), takes({}, 'BRK.B')]).toEqual([true, true]);
    expect([takes({ side: 'sell' }), takes({ strategy: 'x' }), takes({ confidence: 0.6 }), takes({}, 'AAPL')]).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  it('has a filter policy that takes what it says, and nothing else', () => {
    const takes = (changes: object, symbol?: string) => matches(filterPolicy, eventOf(changes, symbol));
    expect([takes({ side: 'sell' }), takes({ side: 'sell' }, 'AAPL')]).toEqual([true, true]);
    expect([takes({}), takes({ side: 'sell' }, 'MSFT'), takes({ side: 'sell', strategy: 'x' })]).toEqual([false, false, false]);
    expect(takes({ side: 'sell', windowEndMs: signalOf('IBM', 5).windowStartMs })).toBe(false);
  });

  it('names every receiver that there is', () => {
    const named = [...receive.text.matchAll(/\]\(([\w-]+\.(?:ts|py))\)/g)].map(([, file]) => file);
    expect(new Set(named)).toEqual(new Set(['hono.ts', 'inbox.ts', 'express.ts', 'receiver.py', 'sns-lambda.ts']));
  });
});
