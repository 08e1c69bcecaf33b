import { describe, expect, it } from 'vitest';
import { ConfigError, defineTapeline, deploymentOptionsOf, pipelineOptionsOf, type TapelineConfig } from '../../core/config.ts';
import { pipelineOf } from '../../core/pipeline.ts';
import { defineStrategy } from '../../core/strategy.ts';

const strategy = (name: string) => defineStrategy(name, ({ hold }) => hold);

describe('a config', () => {
  it('has a default for everything', () => {
    expect(pipelineOptionsOf({})).toEqual({
      generation: '1',
      bucketCount: 16,
      windowSizesMs: [60_000],
      windowOffsetMs: 0,
      outOfOrdernessMs: 2_000,
      allowedLatenessMs: 60_000,
      aheadMaxMs: 60_000,
      emptyWindows: 'none',
      conditions: 'all',
      calendar: 'always',
      strategies: [],
    });
    expect(deploymentOptionsOf({})).toEqual({ history: 'parquet', shards: 2 });
  });

  it('is given back as it was written', () => {
    const config: TapelineConfig = { interval: '5s', intervals: ['1m', '5s'], strategies: [strategy('a')] };
    expect(defineTapeline(config)).toBe(config);
    expect(pipelineOptionsOf(config).windowSizesMs).toEqual([5_000, 60_000]);
  });

  it.each<[string, unknown, string]>([
    ['a key nobody knows', { intervall: '1m' }, 'config has no option "intervall"; did you mean "interval"?'],
    ['a near key', { allowedLateness: 5 }, 'did you mean "allowedLatenessMs"?'],
    ['an interval of no unit', { interval: '60' }, 'received "60"'],
    ['an interval too short', { interval: '500ms' }, 'received "500ms"'],
    ['another interval that is none', { intervals: ['1m', 'x'] }, 'received "x"'],
    ['no bucket', { buckets: 0 }, 'buckets must be a whole number from 1 to 4096, received "0"'],
    ['too many buckets', { buckets: 4_097 }, 'received "4097"'],
    ['half a bucket', { buckets: 1.5 }, 'received "1.5"'],
    ['a number as text', { buckets: '4' }, 'buckets must be a whole number'],
    ['negative out-of-orderness', { outOfOrdernessMs: -1 }, 'outOfOrdernessMs must be a whole number from 0'],
    ['lateness that is no number', { allowedLatenessMs: Number.NaN }, 'received "NaN"'],
    ['infinite lateness', { allowedLatenessMs: Number.POSITIVE_INFINITY }, 'received "Infinity"'],
    ['an offset as long as the window', { interval: '1s', windowOffsetMs: 1_000 }, 'window offset must be'],
    ['an offset longer than the shorter window', { interval: '1h', intervals: ['1s'], windowOffsetMs: 5_000 }, 'window offset must be'],
    ['an unknown policy', { emptyWindows: 'cary' }, 'did you mean "carry"?'],
    ['an unknown profile', { conditions: 'SIP' }, 'conditions must be one of all, sip, sip+extended, received "SIP"'],
    ['an unknown calendar', { calendar: 'us-equity' }, 'did you mean "us-equities"?'],
    ['a generation with a blank', { generation: 'a b' }, 'generation must be 1 to 32 letters'],
    ['a generation without letters', { generation: '' }, 'received ""'],
    ['strategies that are no list', { strategies: 'ema' }, 'strategies must be a list'],
    ['a strategy by name', { strategies: ['ema-cross'] }, 'strategies must hold what defineStrategy returns'],
    ['two strategies of one name', { strategies: [strategy('a'), strategy('a')] }, 'received "a" twice'],
    ['an unknown history', { history: 'timestreams' }, 'did you mean "timestream"?'],
    ['a near history key', { histories: 'none' }, 'did you mean "history"?'],
    ['no shard', { shards: 0 }, 'shards must be a whole number from 1 to 9999 or "on-demand", received "0"'],
    ['half a shard', { shards: 1.5 }, 'received "1.5"'],
    ['shards as text', { shards: 'ondemand' }, 'received "ondemand"'],
    ['subscribers that are no list', { subscribe: 'desk@example.com' }, "subscribe must be a list such as [{ email: 'desk@example.com' }]"],
    ['a subscriber by its address', { subscribe: ['desk@example.com'] }, 'with one of email, url, queueArn, received ""desk@example.com""'],
    ['a subscriber of no address', { subscribe: [{ sides: ['buy'] }] }, 'with one of email, url, queueArn, received "{"sides":["buy"]}"'],
    ['one of two', { subscribe: [{ email: 'a@b', url: 'https://b' }] }, 'with one of email, url, queueArn'],
    ['one who is there twice', { subscribe: [{ email: 'a@b' }, { email: 'a@b', sides: ['buy'] }] }, 'received "a@b" twice'],
    ['no mailbox', { subscribe: [{ email: 'desk' }] }, 'subscribe: email must be an e-mail address, received "desk"'],
    ['a plain address', { subscribe: [{ url: 'http://example.com' }] }, 'url must be an https URL'],
    ['an address with credentials', { subscribe: [{ url: 'https://me:secret@example.com' }] }, 'received "https://…@example.com"'],
    ['a filter of an object', { subscribe: [{ email: 'a@b', constructor: 1 }] }, 'subscribe has no option "constructor"'],
    [
      'a FIFO queue',
      { subscribe: [{ queueArn: 'arn:aws:sqs:us-east-1:123456789012:a.fifo' }] },
      'queueArn must be the ARN of a standard queue',
    ],
    ['a near filter', { subscribe: [{ email: 'a@b', side: 'buy' }] }, 'subscribe has no option "side"; did you mean "sides"?'],
    ['a filter for nothing', { subscribe: [{ email: 'a@b', symbols: [] }] }, 'subscribe: symbols must be a list with at least one entry'],
    ['an unknown side', { subscribe: [{ email: 'a@b', sides: ['long'] }] }, 'subscribe: sides must be buy or sell, received "long"'],
    ['a filter on no interval', { subscribe: [{ email: 'a@b', intervals: ['x'] }] }, 'received "x"'],
    [
      'too much confidence',
      { subscribe: [{ email: 'a@b', confidenceMin: 2 }] },
      'confidenceMin must be a number from 0 to 1, received "2"',
    ],
    ['no object', null, 'config must be an object, received "null"'],
    ['text', '1m', 'config must be an object'],
  ])('with %s is refused, and says what it received', (_, config, message) => {
    expect(() => defineTapeline(config as TapelineConfig)).toThrow(ConfigError);
    expect(() => defineTapeline(config as TapelineConfig)).toThrow(message);
  });
});

describe('two pipelines', () => {
  const fingerprintOf = (config: TapelineConfig) => pipelineOf(pipelineOptionsOf(config)).fingerprint;

  it('read each other’s state when they are configured alike', () => {
    expect(fingerprintOf({ strategies: [strategy('a')] })).toBe(fingerprintOf({ strategies: [strategy('a')], interval: '60s' }));
  });

  it.each<[string, TapelineConfig]>([
    ['history', { history: 'timestream' }],
    ['shards', { shards: 'on-demand' }],
    ['subscribe', { subscribe: [{ email: 'desk@example.com', sides: ['buy'] }] }],
  ])('also when they differ in %s, which only the cloud asks for', (_, config) => {
    expect(fingerprintOf(config)).toBe(fingerprintOf({}));
  });

  it.each<[string, TapelineConfig]>([
    ['interval', { interval: '5m' }],
    ['intervals', { intervals: ['5m'] }],
    ['strategies', { strategies: [strategy('a')] }],
    ['calendar', { calendar: 'us-equities' }],
    ['outOfOrdernessMs', { outOfOrdernessMs: 1 }],
    ['allowedLatenessMs', { allowedLatenessMs: 1 }],
    ['aheadMaxMs', { aheadMaxMs: 1 }],
    ['emptyWindows', { emptyWindows: 'carry' }],
    ['conditions', { conditions: 'sip' }],
    ['windowOffsetMs', { windowOffsetMs: 1 }],
    ['buckets', { buckets: 4 }],
    ['generation', { generation: '2' }],
  ])('do not when they differ in %s', (_, config) => {
    expect(fingerprintOf(config)).not.toBe(fingerprintOf({}));
  });
});
