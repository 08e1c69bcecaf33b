import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { checkSigningSecret, newSigningSecret, signWebhook, verifyWebhook } from '../../../adapters/delivery/standard-webhooks.ts';

/** The vector of the specification. */
const vector = {
  id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  attemptedAtMs: 1_614_265_330_000,
  body: '{"test": 2432232314}',
  signature: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
};
const vectorHeaders = {
  'webhook-id': vector.id,
  'webhook-timestamp': '1614265330',
  'webhook-signature': vector.signature,
};

const secrets = fc.uint8Array({ minLength: 24, maxLength: 64 }).map((key) => `whsec_${Buffer.from(key).toString('base64')}`);
const ids = fc.stringMatching(/^[A-Za-z0-9_~-]{1,80}$/);
const bodies = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 300 });

describe('a signature', () => {
  it('is that of the public vector, and the vector is verified', () => {
    expect(signWebhook({ ...vector, secrets: [vector.secret] })).toEqual(vectorHeaders);
    const verdict = verifyWebhook({ headers: vectorHeaders, body: vector.body, secrets: [vector.secret], nowMs: vector.attemptedAtMs });
    expect(verdict).toEqual({ ok: true, id: vector.id, sentAtMs: vector.attemptedAtMs });
  });

  it('is what the official package makes, and what it verifies, of any body, id and secret', () => {
    fc.assert(
      fc.property(ids, bodies, secrets, (id, body, secret) => {
        const attemptedAtMs = Date.now();
        const headers = signWebhook({ id, body, secrets: [secret], attemptedAtMs });
        const official = new Webhook(secret);
        expect(headers['webhook-signature']).toBe(official.sign(id, new Date(attemptedAtMs), body));
        expect(() => official.verify(body, headers, { jsonParse: false })).not.toThrow();
        const theirs = { ...headers, 'webhook-signature': official.sign(id, new Date(attemptedAtMs), body) };
        expect(verifyWebhook({ headers: theirs, body: Buffer.from(body), secrets: [secret], nowMs: attemptedAtMs }).ok).toBe(true);
      }),
    );
  });

  it('is refused, here and by the official package, with another secret, id, time or body', () => {
    const changed = fc.constantFrom('secret', 'id', 'time', 'body');
    fc.assert(
      fc.property(ids, bodies, secrets, secrets, changed, (id, body, secret, otherSecret, what) => {
        fc.pre(secret !== otherSecret);
        const attemptedAtMs = Date.now();
        const signed = signWebhook({ id, body, secrets: [secret], attemptedAtMs });
        const headers = {
          ...signed,
          ...(what === 'id' && { 'webhook-id': `${id}-` }),
          ...(what === 'time' && { 'webhook-timestamp': String(Number(signed['webhook-timestamp']) - 1) }),
        };
        const received = what === 'body' ? `${body} ` : body;
        const known = what === 'secret' ? otherSecret : secret;
        expect(verifyWebhook({ headers, body: received, secrets: [known], nowMs: attemptedAtMs })).toEqual({
          ok: false,
          reason: 'signature-wrong',
        });
        expect(() => new Webhook(known).verify(received, headers)).toThrow('No matching signature');
      }),
    );
  });

  it('of each secret is there while one rotates, so that a receiver may know the old, the new or both', () => {
    const [old, fresh] = [newSigningSecret(), newSigningSecret()];
    const nowMs = Date.now();
    const headers = signWebhook({ id: 'id', body: '{}', secrets: [fresh, old], attemptedAtMs: nowMs });
    expect(headers['webhook-signature'].split(' ')).toHaveLength(2);
    for (const known of [[old], [fresh], [old, fresh]]) {
      expect(verifyWebhook({ headers, body: '{}', secrets: known, nowMs }).ok).toBe(true);
      expect(() => new Webhook(known[0] as string).verify('{}', headers)).not.toThrow();
    }
    expect(verifyWebhook({ headers, body: '{}', secrets: [newSigningSecret()], nowMs }).ok).toBe(false);
  });
});

describe('a delivery', () => {
  const good = { headers: vectorHeaders, body: vector.body, secrets: [vector.secret], nowMs: vector.attemptedAtMs };

  it.each([
    ['five minutes old', 300_000, 'ok'],
    ['older', 301_000, 'timestamp-too-old'],
    ['five minutes ahead', -300_000, 'ok'],
    ['further ahead', -301_000, 'timestamp-too-new'],
  ])('%s is %3$s', (_, ageMs, verdict) => {
    const result = verifyWebhook({ ...good, nowMs: vector.attemptedAtMs + ageMs });
    expect(result.ok ? 'ok' : result.reason).toBe(verdict);
  });

  it.each([
    ['without an id', { 'webhook-id': undefined }, 'header-missing'],
    ['with two ids', { 'webhook-id': ['a', 'b'] }, 'header-missing'],
    ['without a time', { 'webhook-timestamp': undefined }, 'header-missing'],
    ['without a signature', { 'webhook-signature': undefined }, 'header-missing'],
    ['with a time of letters', { 'webhook-timestamp': '1614265330x' }, 'timestamp-invalid'],
    ['with a time in hex', { 'webhook-timestamp': '0x60379e32' }, 'timestamp-invalid'],
    ['with a signature of another version', { 'webhook-signature': vector.signature.replace('v1', 'v1a') }, 'signature-wrong'],
    ['with the beginning of the signature', { 'webhook-signature': vector.signature.slice(0, -8) }, 'signature-wrong'],
    ['with an empty signature', { 'webhook-signature': 'v1,' }, 'signature-wrong'],
  ])('%s is refused: %3$s', (_, headers, reason) => {
    expect(verifyWebhook({ ...good, headers: { ...vectorHeaders, ...headers } })).toEqual({ ok: false, reason });
  });

  it('with signatures that are not ours beside ours is taken', () => {
    const headers = { ...vectorHeaders, 'webhook-signature': `v1a,AAAA v1,AAAA ${vector.signature}` };
    expect(verifyWebhook({ ...good, headers }).ok).toBe(true);
  });
});

describe('a secret', () => {
  it('that is made is new each time and can be signed with, here and by the official package', () => {
    const made = Array.from({ length: 20 }, newSigningSecret);
    expect(new Set(made).size).toBe(20);
    for (const secret of made) {
      expect(() => checkSigningSecret(secret)).not.toThrow();
      expect(new Webhook(secret).sign('id', new Date(0), '{}')).toMatch(/^v1,/);
    }
  });

  it.each([
    ['has no prefix', vector.secret.slice('whsec_'.length)],
    ['has 23 bytes', `whsec_${Buffer.alloc(23).toString('base64')}`],
    ['has 65 bytes', `whsec_${Buffer.alloc(65).toString('base64')}`],
    ['is no base64', `${vector.secret}!`],
    ['is empty', ''],
    ['is only the prefix', 'whsec_'],
  ])('that %s is refused, and not told', (_, secret) => {
    expect(() => signWebhook({ ...vector, secrets: [secret] })).toThrow(/a signing secret must be/);
    const key = secret.replace('whsec_', '') || 'nothing';
    expect(() => checkSigningSecret(secret)).not.toThrow(key);
  });

  it('is needed', () => {
    expect(() => signWebhook({ ...vector, secrets: [] })).toThrow('a webhook needs a secret');
  });
});

it.each(['', 'a b', 'a.b', 'a\r\nx-admin: 1', 'a\nb', 'ä', 'a\u0000'])('an id that could be more than an id is never signed: %j', (id) => {
  expect(() => signWebhook({ ...vector, id, secrets: [vector.secret] })).toThrow('a webhook id must be');
});
