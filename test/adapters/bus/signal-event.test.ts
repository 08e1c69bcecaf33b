import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSignals } from '../../../adapters/bus/parse-signals.ts';
import { signalEventOf, signalEventType, signalSchemaId } from '../../../adapters/bus/signal-event.ts';
import { type LinkedSignal, type Signal, withoutLink } from '../../../core/signal.ts';
import { signalEventType as deployedType } from '../../../lib/signal-event.ts';
import breakout from '../../../strategies/breakout.ts';
import emaCross from '../../../strategies/ema-cross.ts';
import { foldWhole } from '../../core/support/facts.ts';
import { markets, policies, tapeOf } from '../../core/support/market.ts';
import { pipelineWith } from '../../core/support/pipelines.ts';
import { eventOf, signalOf } from './signals.ts';

const schema = JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', '..', 'schemas', 'signal.v1.json'), 'utf8'));
const isValid = new Ajv2020({ strict: true, allErrors: true }).compile<Signal>(schema);

/** The compiler keeps this list complete. */
const fields = Object.keys({
  signalId: true,
  symbol: true,
  strategy: true,
  side: true,
  intent: true,
  windowStartMs: true,
  windowEndMs: true,
  price: true,
  confidence: true,
  reasons: true,
} satisfies Record<keyof Signal, true>);

describe('the published schema of a signal', () => {
  it('has the fields of the type, all of them required, and its name', () => {
    expect(schema.required).toEqual(fields);
    expect(Object.keys(schema.properties)).toEqual(fields);
    expect(schema.$id).toBe(signalSchemaId);
  });

  it('has examples that are valid', () => {
    expect(schema.examples.length).toBeGreaterThan(0);
    for (const example of schema.examples) expect([isValid(example), isValid.errors]).toEqual([true, null]);
  });

  it('is met by every signal that a pipeline raises, and so is the outbox', () => {
    let signals = 0;
    fc.assert(
      fc.property(markets, policies, (trades, policy) => {
        const strategies = [...(policy.strategies ?? []), emaCross, breakout];
        const raised = Object.values(foldWhole(pipelineWith({ ...policy, strategies }), tapeOf(trades, { bucketCount: 1 })).signals).flat();
        signals += raised.length;
        for (const json of raised) {
          const signal = withoutLink(JSON.parse(json) as LinkedSignal);
          expect([isValid(signal), isValid.errors, Object.keys(signal).sort()]).toEqual([true, null, [...fields].sort()]);
        }
        expect(parseSignals(`[${raised.join(',')}]`)).toMatchObject({ ok: true });
      }),
      { numRuns: 150, seed: 1 },
    );
    expect(signals).toBeGreaterThan(100);
  });

  it('takes what the outbox takes, and nothing else', () => {
    const values = fc.oneof(
      fc.constantFrom<unknown>(
        '',
        'A',
        'a b',
        'buy',
        'sell',
        'hold',
        'exit',
        0,
        -0,
        1,
        1.5,
        -1,
        2 ** 53,
        1e300,
        null,
        true,
        [],
        ['r'],
        [1],
        ['r', null],
        {},
      ),
      fc.jsonValue(),
    );
    const verdicts = new Set<boolean>();
    fc.assert(
      fc.property(fc.constantFrom(...fields), values, fc.boolean(), (field, value, isGone) => {
        const { [field]: _, ...rest } = { ...signalOf('A', 0) } as Record<string, unknown>;
        const json = JSON.stringify(isGone ? rest : { ...rest, [field]: value });
        const { ok } = parseSignals(`[${json}]`);
        expect(ok).toBe(isValid(JSON.parse(json)));
        verdicts.add(ok);
      }),
      { numRuns: 2_000 },
    );
    expect(verdicts.size).toBe(2);
  });

  it.each([
    ['not JSON', '[{', 'it is not JSON'],
    ['no array', '{"signals":[]}', 'it must be an array of signals, received "object"'],
    ['an array of something else', '[7]', 'signal 0 is wrong in ""'],
    ['one wrong signal', JSON.stringify([signalOf('A', 0), { ...signalOf('A', 1), side: 'hold' }]), 'signal 1 is wrong in "side"'],
  ])('is not met by %s, and the reason is told', (_, json, reason) => {
    expect(parseSignals(json)).toEqual({ ok: false, reason: expect.stringContaining(reason) });
  });
});

describe('the event of a signal', () => {
  it('is a CloudEvent 1.0 with the signal as its data', () => {
    const signal = signalOf('BRK.B', 0);
    expect(signalEventOf(signal, { source: '/tapeline/prod' })).toEqual({
      specversion: '1.0',
      id: '1_ema-cross_BRK~2EB_1m_1381152600000',
      source: '/tapeline/prod',
      type: 'tapeline.signal.v1',
      time: '2013-10-07T13:31:00.000Z',
      subject: 'BRK.B',
      interval: '1m',
      datacontenttype: 'application/json',
      dataschema: 'urn:tapeline:schema:signal.v1',
      data: signal,
    });
  });

  it.each([
    ['before the year 0', -62_167_219_200_001],
    ['after the year 9999', 253_402_300_800_000],
    ['beyond all dates', 8_640_000_000_060_000],
  ])('has no time %s, which RFC 3339 cannot say', (_, windowEndMs) => {
    expect(eventOf('A', 0, { windowEndMs })).not.toHaveProperty('time');
  });

  it('has the type that the rules of the deployment match on', () => {
    expect(signalEventType).toBe(deployedType);
  });

  it('is the same event however often it is made', () => {
    expect(eventOf('A', 0)).toEqual(eventOf('A', 0));
  });
});
