import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { TapelineError } from '../errors.ts';

/** Of one delivery, the same over all attempts but for the time and what is made of it. */
export type WebhookHeaders = {
  readonly 'webhook-id': string;
  /** Unix seconds of the attempt. */
  readonly 'webhook-timestamp': string;
  /** One signature a secret, with spaces between them. */
  readonly 'webhook-signature': string;
};

export type Verdict =
  | { readonly ok: true; readonly id: string; readonly sentAtMs: number }
  | { readonly ok: false; readonly reason: VerdictReason };

export type VerdictReason = 'header-missing' | 'timestamp-invalid' | 'timestamp-too-old' | 'timestamp-too-new' | 'signature-wrong';

const secretPrefix = 'whsec_';
const keyBytes = { made: 32, min: 24, max: 64 };
const toleranceDefaultMs = 300_000;

/**
 * Signs by Standard Webhooks v1, with each secret: while one rotates, a receiver that knows the old or the new one can verify.
 * @param body as it goes over the wire, to the byte
 * @throws SecretError
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export function signWebhook({
  id,
  body,
  secrets,
  attemptedAtMs,
}: {
  readonly id: string;
  readonly body: string;
  readonly secrets: readonly string[];
  readonly attemptedAtMs: number;
}): WebhookHeaders {
  // Header values are ours to guard: an id with a line break would begin a header of its own, one with a dot could sign for another.
  if (!/^[A-Za-z0-9_~-]+$/.test(id))
    throw new TypeError(`a webhook id must be letters, digits, "_", "~" or "-", received ${JSON.stringify(id.slice(0, 100))}`);
  if (secrets.length === 0) throw new SecretError('a webhook needs a secret to sign with, received none');
  const timestamp = String(Math.floor(attemptedAtMs / 1000));
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': secrets.map((secret) => `v1,${digestOf({ id, timestamp, body, secret }).toString('base64')}`).join(' '),
  };
}

/** Whether a delivery is from someone who has one of the secrets, made lately, and unchanged. @throws SecretError */
export function verifyWebhook({
  headers,
  body,
  secrets,
  nowMs,
  toleranceMs = toleranceDefaultMs,
}: {
  /** Names in lower case, as Node has them. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The bytes that came, before anything has parsed them. */
  readonly body: string | Uint8Array;
  readonly secrets: readonly string[];
  readonly nowMs: number;
  /** How far the sender's clock and the way may take the timestamp from `nowMs`. @default 300,000 */
  readonly toleranceMs?: number;
}): Verdict {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers;
  if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signatures !== 'string' || id === '')
    return { ok: false, reason: 'header-missing' };
  if (!/^\d{1,12}$/.test(timestamp)) return { ok: false, reason: 'timestamp-invalid' };
  const sentAtMs = Number(timestamp) * 1000;
  if (sentAtMs < nowMs - toleranceMs - 999) return { ok: false, reason: 'timestamp-too-old' };
  if (sentAtMs > nowMs + toleranceMs) return { ok: false, reason: 'timestamp-too-new' };
  const given = signatures.split(' ').flatMap((signature) => {
    const [version, digest] = signature.split(',');
    return version === 'v1' && digest !== undefined ? [Buffer.from(digest, 'base64')] : [];
  });
  const isSigned = secrets.some((secret) => {
    const expected = digestOf({ id, timestamp, body, secret });
    return given.some((digest) => digest.length === expected.length && timingSafeEqual(digest, expected));
  });
  return isSigned ? { ok: true, id, sentAtMs } : { ok: false, reason: 'signature-wrong' };
}

/** A new secret for signing: `whsec_` and 32 random bytes in base64. */
export function newSigningSecret(): string {
  return `${secretPrefix}${randomBytes(keyBytes.made).toString('base64')}`;
}

/** A secret is missing or is none. The message never holds it. */
export class SecretError extends TapelineError {
  constructor(message: string, cause?: unknown) {
    super(message, { code: 'secret-invalid', cause });
  }
}

/** @throws SecretError */
export function checkSigningSecret(secret: string): void {
  keyOf(secret);
}

function digestOf({ id, timestamp, body, secret }: { id: string; timestamp: string; body: string | Uint8Array; secret: string }): Buffer {
  return createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.`).update(body).digest();
}

function keyOf(secret: string): Buffer {
  const text = secret.startsWith(secretPrefix) ? secret.slice(secretPrefix.length) : undefined;
  const key = Buffer.from(text ?? '', 'base64');
  if (text === undefined || key.length < keyBytes.min || key.length > keyBytes.max || key.toString('base64') !== text) {
    throw new SecretError(
      `a signing secret must be "${secretPrefix}" and ${keyBytes.min} to ${keyBytes.max} bytes in base64, received something else; "tapeline webhook secret NAME" makes one`,
    );
  }
  return key;
}
