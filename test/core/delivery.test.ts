import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as ofPackage from '../../core/index.ts';
import { command, ConfigError, defineTapeline, discord, slack, sqs, telegram, type TapelineConfig, webhook } from '../../core/config.ts';
import { cloudEndpointsOf, type Endpoint, queueArnsOf } from '../../core/delivery.ts';
import { choiceOf } from '../../core/delivery-choice.ts';
import { deliveryIdOf, laneOf } from '../../core/delivery-lane.ts';
import { bySignalOrder } from '../../core/signal.ts';
import { signalOf } from '../adapters/delivery/signals.ts';

const url = 'https://example.com/hooks?a=1';
const queueArn = 'arn:aws:sqs:eu-central-1:123456789012:My_signals.fifo';

describe('an endpoint', () => {
  it('is given back as it was written, a webhook named by its host', () => {
    expect(webhook({ url })).toEqual({ kind: 'webhook', name: 'example-com', url });
    expect(webhook({ url: 'http://[::1]:80/x' }).name).toBe('1');
    expect(slack({ name: 'alerts', sides: ['sell'] })).toEqual({ kind: 'slack', name: 'alerts', sides: ['sell'] });
    const deliver = [
      webhook({ url }),
      discord({ name: 'd' }),
      telegram({ name: 't', chatId: '-100123' }),
      sqs({ queueArn }),
      command({ name: 'c', command: ['x'] }),
    ];
    expect(defineTapeline({ deliver }).deliver).toBe(deliver);
    expect(cloudEndpointsOf({ deliver }).map(({ kind }) => kind)).toEqual(['webhook', 'discord', 'telegram', 'sqs']);
    expect(Object.keys(ofPackage)).toEqual(expect.arrayContaining(deliver.map(({ kind }) => kind)));
    expect([sqs({ queueArn }).name, queueArnsOf({ deliver })]).toEqual(['my-signals-fifo', [queueArn]]);
  });

  it.each<[string, () => unknown, string]>([
    ['plain http', () => webhook({ url: 'http://example.com/' }), 'webhook: url must be an https URL'],
    ['http to a host that begins like this machine', () => webhook({ url: 'http://localhost.example.com/' }), 'url must be an https URL'],
    ['credentials', () => webhook({ url: 'https://me:secret@example.com/' }), 'received "https://…@example.com/"'],
    ['a fragment', () => webhook({ url: 'https://example.com/#x' }), 'url must be'],
    ['a line break in the URL', () => webhook({ url: 'https://example.com/\nx' }), 'url must be'],
    ['another scheme', () => webhook({ url: 'ftp://example.com/' }), 'url must be'],
    ['no URL', () => webhook({} as never), 'url must be'],
    [
      'a name with a blank',
      () => webhook({ url, name: 'my hook' }),
      'webhook: name must be 1 to 40 of a-z, 0-9 and "-", received "my hook"',
    ],
    ['no name', () => slack({} as never), 'slack: name must be'],
    ['an option nobody knows', () => webhook({ url, symbol: ['IBM'] } as never), 'webhook has no option "symbol"; did you mean "symbols"?'],
    [
      'a list that is none',
      () => webhook({ url, symbols: 'IBM' } as never),
      'symbols must be a list with at least one entry, received "IBM"',
    ],
    ['an empty list', () => webhook({ url, strategies: [] }), 'strategies must be a list with at least one entry'],
    ['a side of another word', () => webhook({ url, sides: ['long'] } as never), 'sides must be buy or sell, received "long"'],
    ['an interval that is none', () => webhook({ url, intervals: ['5'] }), 'an interval must be'],
    ['too much confidence', () => webhook({ url, confidenceMin: 70 }), 'confidenceMin must be a number from 0 to 1, received "70"'],
    ['a batch of one', () => webhook({ url, batch: { signalsMax: 1, waitMs: 0 } }), 'batch.signalsMax must be a whole number from 2 to 40'],
    ['a batch without an end', () => webhook({ url, batch: { signalsMax: 5 } } as never), 'batch must be an object such as'],
    ['silence that is no list', () => webhook({ url, silence: { from: '22:00', to: '07:00' } } as never), 'silence must be a list'],
    [
      'an hour that is none',
      () => webhook({ url, silence: [{ from: '24:00', to: '07:00' }] }),
      'silence.from must be a local time such as "22:00"',
    ],
    ['a zone that is none', () => webhook({ url, silence: [{ from: '22:00', to: '07:00', timeZone: 'Mars' }] }), 'received "Mars"'],
    [
      'a day that is none',
      () => webhook({ url, silence: [{ from: '22:00', to: '07:00', days: ['friday'] }] } as never),
      'silence.days must be',
    ],
    ['onSilence of another word', () => webhook({ url, onSilence: 'keep' } as never), 'onSilence must be hold or drop'],
    ['a network that is none', () => webhook({ url, allowPrivate: ['all of it'] }), 'allowPrivate must be'],
    ['a chat without a number', () => telegram({ name: 't', chatId: 'my chat' }), 'chatId must be'],
    [
      'a queue by its address',
      () => sqs({ queueArn: 'https://sqs.eu-central-1.amazonaws.com/123456789012/signals' }),
      'queueArn must be the ARN',
    ],
    ['a queue of a strange name', () => sqs({ queueArn: `${queueArn}.fifo` }), 'queueArn must be'],
    ['no queue', () => sqs({} as never), 'sqs: queueArn must be'],
    ['no command', () => command({ name: 'c', command: [] }), 'command must be a list with at least one entry'],
  ])('with %s is refused, and says what it received', (_, make, message) => {
    expect(make).toThrow(ConfigError);
    expect(make).toThrow(message);
  });

  it.each<[string, unknown, string]>([
    ['that is no list', 'https://example.com', 'deliver must be a list'],
    ['of URLs', ['https://example.com'], 'deliver must hold what webhook, slack, discord, telegram, sqs, command return'],
    ['of one name twice', [webhook({ url }), webhook({ url })], 'endpoints must have names of their own, received "example-com" twice'],
    ['written by hand, and wrongly', [{ kind: 'slack', name: 'UP' }], 'slack: name must be'],
  ])('deliver %s is refused', (_, deliver, message) => {
    expect(() => defineTapeline({ deliver } as TapelineConfig)).toThrow(message);
  });
});

describe('what an endpoint gets', () => {
  const at = Date.UTC(2026, 0, 5, 23);
  const silence = [{ from: '22:00', to: '07:00' }];
  it.each<[Partial<Endpoint>, 'wanted' | 'filtered' | 'silenced']>([
    [{}, 'wanted'],
    [{ symbols: ['IBM', 'AAPL'] }, 'wanted'],
    [{ symbols: ['AAPL'] }, 'filtered'],
    [{ strategies: ['ema-cross'] }, 'wanted'],
    [{ strategies: ['breakout'] }, 'filtered'],
    [{ sides: ['sell'] }, 'filtered'],
    [{ intervals: ['1h', '60s'] }, 'wanted'],
    [{ intervals: ['5m'] }, 'filtered'],
    [{ confidenceMin: 0.7 }, 'wanted'],
    [{ confidenceMin: 0.71 }, 'filtered'],
    [{ silence }, 'wanted'],
    [{ silence, onSilence: 'drop' }, 'silenced'],
    [{ silence, onSilence: 'drop', symbols: ['AAPL'] }, 'filtered'],
  ])('by %o is %s', (choices, choice) => {
    expect(choiceOf(webhook({ url, ...choices } as { url: string }), signalOf('IBM', 0), at)).toBe(choice);
  });
});

describe('lanes', () => {
  it('are symbols, and one for all where there are batches; no symbol has the name of that', () => {
    expect(laneOf(webhook({ url }), signalOf('IBM', 0))).not.toBe(laneOf(webhook({ url }), signalOf('AAPL', 0)));
    const batched = webhook({ url, batch: { signalsMax: 5, waitMs: 0 } });
    expect(laneOf(batched, signalOf('IBM', 0))).toBe(laneOf(batched, signalOf('AAPL', 0)));
    expect(laneOf(webhook({ url }), signalOf('*', 0))).not.toBe(laneOf(batched, signalOf('IBM', 0)));
  });

  it('have one order, whatever order their signals came in', () => {
    const signals = fc.uniqueArray(fc.tuple(fc.constantFrom('A', 'B'), fc.nat(20)), { selector: String, maxLength: 8 });
    fc.assert(
      fc.property(signals, fc.infiniteStream(fc.nat()), (all, chance) => {
        const some = all.map(([symbol, number]) => signalOf(symbol, number));
        const shuffled = some.map((signal) => ({ signal, by: chance.next().value })).toSorted((a, b) => a.by - b.by);
        expect(shuffled.map(({ signal }) => signal).toSorted(bySignalOrder)).toEqual(some.toSorted(bySignalOrder));
      }),
    );
  });

  it('have deliveries of one name each: of one signal its id, of several another than any signal has', () => {
    expect(deliveryIdOf([signalOf('IBM', 0)])).toBe(signalOf('IBM', 0).signalId);
    const ids = [deliveryIdOf([signalOf('IBM', 0), signalOf('IBM', 1)]), deliveryIdOf([0, 1, 2].map((number) => signalOf('IBM', number)))];
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9_~-]+$/);
    for (const id of ids) expect(id.split('_').length).toBeGreaterThan(5);
  });
});
