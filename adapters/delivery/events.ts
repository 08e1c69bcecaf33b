import type { DisabledCause } from '../../core/endpoint-state.ts';

/** What happens while signals are delivered, for logs, metrics and people. */
export type DeliveryEvent = { readonly endpoint: string; readonly atMs: number } & (
  | { readonly kind: 'delivery.delivered'; readonly deliveryId: string; readonly signals: number; readonly attempts: number }
  | {
      readonly kind: 'delivery.failed';
      readonly deliveryId: string;
      readonly attempts: number;
      readonly dueAtMs: number;
      readonly reason: string;
    }
  | {
      readonly kind: 'delivery.dead';
      readonly deliveryId: string;
      readonly signals: number;
      readonly attempts: number;
      readonly reason: string;
    }
  /** So many failures in a row that only single attempts are made, until one succeeds. */
  | { readonly kind: 'endpoint.down'; readonly reason: string }
  | { readonly kind: 'endpoint.recovered' }
  /** Nothing is sent to it until it is resumed. */
  | { readonly kind: 'endpoint.disabled'; readonly cause: DisabledCause; readonly reason: string }
);
