import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import official from '@asyncapi/specs/schemas/3.0.0-without-$id.json' with { type: 'json' };
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { type SignalEvent, signalEventOf } from '../../adapters/bus/signal-event.ts';
import { signWebhook } from '../../adapters/delivery/standard-webhooks.ts';
import type { Signal } from '../../core/signal.ts';
import { generated } from '../../schemas/generate.ts';
import type { Signal as PublishedSignal, SignalEvent as PublishedEvent } from '../../schemas/signal-event.v1.d.ts';
import { typesOf } from '../../schemas/types-of.ts';
import { root } from '../house/project.ts';

const read = (path: string) => readFileSync(join(root, path), 'utf8');
const schemaOf = (name: string) => JSON.parse(read(`schemas/${name}`));
const asyncApi = schemaOf('asyncapi.v1.json');

describe('what is generated from the schema of a signal', () => {
  it.each(generated().map(({ file, text }) => [file, text]))('%s is up to date; run "node schemas/generate.ts"', (file, text) => {
    expect(read(`schemas/${file}`)).toBe(text);
  });

  it('has the types that the product works with, field by field', () => {
    expectTypeOf<PublishedSignal>().toEqualTypeOf<Signal>();
    expectTypeOf<PublishedEvent>().toEqualTypeOf<SignalEvent>();
  });

  it('has no types of what it does not know', () => {
    const schema = { required: [], properties: { a: { type: 'object' } } };
    expect(() => typesOf({ A: schema })).toThrow('no type is known');
  });
});

describe('the schema of the event', () => {
  const isValid = new Ajv2020({ strict: true, validateFormats: false })
    .addSchema(schemaOf('signal.v1.json'))
    .compile(schemaOf('signal-event.v1.json'));
  const [example] = schemaOf('signal-event.v1.json').examples as [SignalEvent];

  it('is met by its example, which is the event of the signal in it', () => {
    expect([isValid(example), isValid.errors]).toEqual([true, null]);
    expect(signalEventOf(example.data, { source: example.source })).toEqual(example);
  });

  it('requires every field but the time', () => {
    for (const field of Object.keys(example)) {
      const { [field as keyof SignalEvent]: _, ...rest } = example;
      expect([field, isValid(rest)]).toEqual([field, field === 'time']);
    }
    expect(isValid({ ...example, data: { ...example.data, side: 'hold' } })).toBe(false);
  });
});

describe('the AsyncAPI document', () => {
  it('is one by the official schema', () => {
    const isValid = new Ajv({ strict: false, validateFormats: false }).compile(official);
    expect([isValid(asyncApi), isValid.errors]).toEqual([true, null]);
    expect(isValid({ ...asyncApi, channels: { webhook: { adress: null } } })).toBe(false);
  });

  it('refers only to what is in it', () => {
    const references = [...JSON.stringify(asyncApi).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path]) => path as string);
    expect(references.length).toBeGreaterThan(10);
    const at = (path: string) =>
      path.split('/').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], asyncApi);
    expect(references.filter((path) => at(path) === undefined)).toEqual([]);
  });

  it('has the schemas that are published, and headers as they are signed', () => {
    const { Signal, WebhookHeaders } = asyncApi.components.schemas;
    const { $id: _, $schema: __, ...published } = schemaOf('signal.v1.json');
    expect(Signal).toEqual(published);
    const secrets = [1, 2].map((byte) => `whsec_${Buffer.alloc(32, byte).toString('base64')}`);
    const isValid = new Ajv().compile(WebhookHeaders);
    for (const known of [secrets, secrets.slice(1)])
      expect(isValid(signWebhook({ id: 'id', body: '{}', secrets: known, attemptedAtMs: Date.now() }))).toBe(true);
    expect(isValid({ 'webhook-id': 'id', 'webhook-timestamp': '1', 'webhook-signature': 'v2,AAAA' })).toBe(false);
  });
});
