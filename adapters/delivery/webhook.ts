import type { Post } from './http-sender.ts';
import { signWebhook } from './standard-webhooks.ts';

/**
 * A signed POST of CloudEvents in structured mode: one event, or the batch format where the endpoint takes several.
 * @throws SecretError
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
 */
export function webhookPost({
  url,
  deliveryId,
  content,
  secrets,
  attemptedAtMs,
}: {
  readonly url: string;
  readonly deliveryId: string;
  readonly content: WebhookContent;
  readonly secrets: readonly string[];
  readonly attemptedAtMs: number;
}): Post {
  const { contentType, body } = content;
  const signed = signWebhook({ id: deliveryId, body, secrets, attemptedAtMs });
  return { url, headers: { 'content-type': contentType, ...signed }, body };
}

export type WebhookContent = { readonly contentType: string; readonly body: string };

/** The same bytes for the same events, however often. */
export function webhookContentOf(events: readonly object[], { isBatch }: { readonly isBatch: boolean }): WebhookContent {
  return isBatch
    ? { contentType: 'application/cloudevents-batch+json; charset=utf-8', body: JSON.stringify(events) }
    : { contentType: 'application/cloudevents+json; charset=utf-8', body: JSON.stringify(events[0]) };
}
