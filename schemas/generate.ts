import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { intervalText } from '../core/interval.ts';
import { type JsonSchema, typesOf } from './types-of.ts';

/** Of the schemas here, what follows from another. `signal.v1.json` is the source of all. */
export type Generated = { readonly file: string; readonly text: string };

/** What is written when this file is run: `node schemas/generate.ts`. */
export function generated(): Generated[] {
  const signal = JSON.parse(readFileSync(join(import.meta.dirname, 'signal.v1.json'), 'utf8')) as JsonSchema;
  const event = eventSchemaOf(signal);
  return [
    { file: 'signal-event.v1.json', text: jsonText(event) },
    { file: 'signal-event.v1.d.ts', text: typesOf({ Signal: signal, SignalEvent: event }) },
    { file: 'asyncapi.v1.json', text: jsonText(asyncApiOf(signal, event)) },
  ];
}

const signalEventType = 'tapeline.signal.v1';

/** @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/cloudevents.json */
function eventSchemaOf(signal: JsonSchema): JsonSchema {
  const $id = signal['$id'] as string;
  const [example] = signal['examples'] as [{ signalId: string; symbol: string; windowStartMs: number; windowEndMs: number }];
  const properties = {
    specversion: { const: '1.0' },
    id: { description: 'The signalId: every repeat has the same.', type: 'string', minLength: 1 },
    source: { description: 'The deployment that raised the signal.', type: 'string', minLength: 1, format: 'uri-reference' },
    type: { const: signalEventType },
    time: { description: "The end of the bar's window; absent for a year that has not four digits.", type: 'string', format: 'date-time' },
    subject: { description: 'The symbol.', type: 'string', minLength: 1 },
    interval: { description: 'Of the bar that was decided on, such as 1m: for subscribers to filter on.', type: 'string', minLength: 1 },
    previousid: {
      description:
        "The id of the symbol's signal before this one, whether or not it was for you; absent when this is its first, and where a way out keeps the order by itself.",
      type: 'string',
      pattern: '^[A-Za-z0-9_~-]+$',
    },
    datacontenttype: { const: 'application/json' },
    dataschema: { const: $id },
    data: { $ref: $id },
  };
  return {
    $schema: signal['$schema'],
    $id: $id.replace('schema:signal.', 'schema:signal-event.'),
    title: 'SignalEvent',
    description: 'What leaves Tapeline for a signal, by whatever way: a CloudEvent 1.0 in its JSON format.',
    type: 'object',
    required: Object.keys(properties).filter((name) => name !== 'time' && name !== 'previousid'),
    properties,
    examples: [
      {
        specversion: '1.0',
        id: example.signalId,
        source: '/tapeline',
        type: signalEventType,
        time: new Date(example.windowEndMs).toISOString(),
        subject: example.symbol,
        interval: intervalText(example.windowEndMs - example.windowStartMs),
        datacontenttype: 'application/json',
        dataschema: $id,
        data: example,
      },
    ],
  };
}

/** @see https://www.asyncapi.com/docs/reference/specification/v3.0.0 */
function asyncApiOf(signal: JsonSchema, event: JsonSchema): object {
  const ref = (path: string) => ({ $ref: `#/${path}` });
  const channels = {
    webhook: {
      title: 'Webhook',
      address: null,
      description:
        'A POST to the URL of an endpoint, signed by Standard Webhooks v1. Answer 2xx within 15 seconds; drop repeats by webhook-id.',
      messages: { signal: ref('components/messages/signedSignal'), batch: ref('components/messages/signedSignals') },
    },
    bus: {
      title: 'EventBridge bus',
      address: null,
      description: `Of the deployed stack. The event's source is tapeline, its detail-type ${signalEventType}, and its detail the message.`,
      messages: { signal: ref('components/messages/signal') },
    },
    topic: {
      title: 'SNS topic',
      address: null,
      description: 'Of the deployed stack. Subscriptions filter on the message body.',
      messages: { signal: ref('components/messages/signal') },
    },
    queue: {
      title: 'SQS queue',
      address: null,
      description: 'Of an endpoint of the kind sqs. In a FIFO queue the message group is the symbol and the deduplication id the id.',
      messages: { signal: ref('components/messages/signal'), batch: ref('components/messages/signals') },
    },
    stream: {
      title: 'Server-sent events of a run on this machine',
      address: '/signals',
      description: 'With run --serve. Resumes after Last-Event-ID.',
      messages: { signal: ref('components/messages/signal') },
    },
  };
  const operations = Object.entries(channels).map(([name, { messages }]) => [
    `send${name[0]?.toUpperCase()}${name.slice(1)}`,
    {
      action: 'send',
      channel: ref(`channels/${name}`),
      messages: Object.keys(messages).map((message) => ref(`channels/${name}/messages/${message}`)),
    },
  ]);
  const [eventExample] = event['examples'] as [object];
  const message = {
    contentType: 'application/cloudevents+json',
    payload: ref('components/schemas/SignalEvent'),
    examples: [{ payload: eventExample }],
  };
  const several = {
    contentType: 'application/cloudevents-batch+json',
    payload: { type: 'array', minItems: 1, items: ref('components/schemas/SignalEvent') },
  };
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Tapeline signals',
      version: '1.0.0',
      description:
        'Buy and sell signals, each at least once, with the same id however often; in order for each symbol, but for the bus, the topic and standard queues, where previousid tells it.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/cloudevents+json',
    channels,
    operations: Object.fromEntries(operations),
    components: {
      messages: {
        signal: { name: 'signal', title: 'A signal', ...message },
        signedSignal: { name: 'signedSignal', title: 'A signal, signed', headers: ref('components/schemas/WebhookHeaders'), ...message },
        signals: { name: 'signals', title: 'Several signals in one message', ...several },
        signedSignals: {
          name: 'signedSignals',
          title: 'Several signals in one delivery, signed',
          headers: ref('components/schemas/WebhookHeaders'),
          ...several,
        },
      },
      schemas: {
        WebhookHeaders: headersSchema,
        SignalEvent: embedded(event, { [signal['$id'] as string]: '#/components/schemas/Signal' }),
        Signal: embedded(signal, {}),
      },
    },
  };
}

/** @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
const headersSchema = {
  type: 'object',
  required: ['webhook-id', 'webhook-timestamp', 'webhook-signature'],
  properties: {
    'webhook-id': { description: 'The same over all attempts of one delivery; of a single signal its signalId.', type: 'string' },
    'webhook-timestamp': { description: 'Unix seconds of the attempt.', type: 'string', pattern: '^[0-9]+$' },
    'webhook-signature': {
      description: 'HMAC-SHA256 of "id.timestamp.body" in base64, after "v1,"; several with spaces between them while a secret rotates.',
      type: 'string',
      pattern: '^v1,[A-Za-z0-9+/]+={0,2}( v1,[A-Za-z0-9+/]+={0,2})*$',
    },
  },
};

/** A schema within a document that says itself where it is and which dialect it has. */
function embedded({ $schema: _, $id: __, ...schema }: JsonSchema, places: Readonly<Record<string, string>>): JsonSchema {
  const moved = JSON.stringify(schema, (key, value) => (key === '$ref' ? (places[value as string] ?? value) : value));
  return JSON.parse(moved) as JsonSchema;
}

function jsonText(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

if (import.meta.main) for (const { file, text } of generated()) writeFileSync(join(import.meta.dirname, file), text);
