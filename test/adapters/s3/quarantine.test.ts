import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { S3Bucket } from '../../../adapters/s3/bucket.ts';
import { S3Quarantine } from '../../../adapters/s3/quarantine.ts';
import { rowOfTrade } from '../../../adapters/history/timestream-rows.ts';
import { S3RefusedRows } from '../../../adapters/s3/refused-rows.ts';
import { S3RefusedSignals } from '../../../adapters/s3/refused-signals.ts';
import type { Quarantined } from '../../../core/reasons.ts';
import { eventOf } from '../bus/signals.ts';
import { tries } from '../../tries.ts';

type Put = { readonly method: string; readonly path: string; readonly authorization: string; readonly body: string };

let server: Server;
let bucket: S3Bucket;
let quarantine: S3Quarantine;
const puts: Put[] = [];
const objects = new Map<string, string>();
let answer: (put: number) => number | 'cut' = () => 200;
const waitsMs: number[] = [];

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = '', url: path = '', headers } = request;
    puts.push({ method, path, authorization: headers.authorization ?? '', body: Buffer.concat(chunks).toString() });
    const status = answer(puts.length);
    if (status === 'cut') return void request.socket.destroy();
    if (status === 200) objects.set(path, Buffer.concat(chunks).toString());
    response.writeHead(status).end(status === 200 ? '' : '<Error><Code>AccessDenied</Code></Error>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  bucket = new S3Bucket({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/bucket`,
    region: 'eu-central-1',
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret', sessionToken: 'token' },
    wait: async (ms) => waitsMs.push(ms),
  });
  quarantine = new S3Quarantine({ bucket, prefix: 'quarantine/' });
});
beforeEach(() => {
  puts.length = 0;
  objects.clear();
  waitsMs.length = 0;
  answer = () => 200;
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
});

describe('a quarantine on S3', () => {
  it('has the same objects after any repeat of any cut between records', async () => {
    const records = fc.array(fc.array(fc.constantFrom('#0', '#12', '/ema-cross/IBM'), { minLength: 1, maxLength: 3 }), {
      minLength: 1,
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(records, fc.array(fc.nat(12), { maxLength: 4 }), async (places, cuts) => {
        const entries = places.map((ofRecord, i) => ofRecord.map((place) => entryAt(`4959${i}${place}`)));
        objects.clear();
        await quarantine.writeQuarantined(entries.flat());
        const whole = new Map(objects);
        expect(whole.size).toBe(entries.length);
        for (const cut of cuts) {
          await quarantine.writeQuarantined(entries.slice(0, cut).flat());
          await quarantine.writeQuarantined(entries.slice(cut).flat());
        }
        expect(objects).toEqual(whole);
      }),
      { numRuns: tries(20) },
    );
  });

  it('puts all of a tape record into one object of its name, signed for S3', async () => {
    const entries = [entryAt('4959#0'), entryAt('4959#7'), entryAt('4959/ema-cross/BRK/B')];
    await quarantine.writeQuarantined(entries);
    const [put] = puts as [Put];
    expect(puts).toHaveLength(1);
    expect([put.method, put.path]).toEqual(['PUT', '/bucket/quarantine/4959.ndjson']);
    expect(
      put.body
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Quarantined),
    ).toEqual(entries);
    expect(put.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-central-1\/s3\/aws4_request, SignedHeaders=.*host.*x-amz-security-token/,
    );
  });

  it.each([[503], [429], ['cut']] as const)('tries again after %s', async (failure) => {
    answer = (put) => (put <= 2 ? failure : 200);
    await quarantine.writeQuarantined([entryAt('1#0')]);
    expect([...objects.keys()]).toEqual(['/bucket/quarantine/1.ndjson']);
    expect(waitsMs).toHaveLength(2);
  });

  it.each([
    [403, 1, false],
    [500, 6, true],
  ] as const)('says what was answered when the bucket does not take an object: %i', async (status, attempts, retryable) => {
    answer = () => status;
    await expect(quarantine.writeQuarantined([entryAt('1#0')])).rejects.toMatchObject({
      code: 'object-refused',
      retryable,
      message: expect.stringMatching(new RegExp(`quarantine/1[.]ndjson" was not taken in ${attempts} attempts`)),
      cause: { message: `${status} <Error><Code>AccessDenied</Code></Error>` },
    });
    expect(puts).toHaveLength(attempts);
  });
});

describe('signals that the bus refuses', () => {
  it('are on S3 an object each, with the reason and the event, and the same after a repeat', async () => {
    const refused = [0, 1].map((window) => ({
      event: eventOf('BRK/B', window),
      code: 'MalformedDetail',
      message: 'not JSON',
      isRefused: true,
    }));
    const signals = new S3RefusedSignals({ bucket, prefix: 'refused/' });
    await signals.keep(refused);
    await signals.keep(refused);
    expect(new Map([...objects].map(([path, body]) => [path, JSON.parse(body)]))).toEqual(
      new Map(refused.map(({ event, code, message }) => [`/bucket/refused/${event.id}.json`, { code, message, event }])),
    );
  });
});

describe('rows that Timestream refuses', () => {
  it('are on S3 together as lines, each with its reason, and the same object after a repeat', async () => {
    const refused = [1, 2].map((eventTimeMs) => ({
      table: 'trades' as const,
      reason: 'too old',
      row: rowOfTrade({ symbol: 'IBM', eventTimeMs, price: 1, size: 2, tradeId: null, conditions: [], entry: `feed/0/1#${eventTimeMs}` }),
    }));
    const rows = new S3RefusedRows({ bucket, prefix: 'refused/' });
    await rows.keep(refused);
    await rows.keep(refused);
    await rows.keep(refused.slice(1));
    expect([...objects.keys()]).toEqual([expect.stringMatching(/^\/bucket\/refused\/[0-9a-f]{32}\.ndjson$/), expect.any(String)]);
    const [body = ''] = objects.values();
    expect(
      body
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(refused);
  });
});

function entryAt(position: string): Quarantined {
  return { position, reason: 'price-not-positive', sample: '{"price":-1}' };
}
