/** What came of one attempt to deliver. */
export type Outcome =
  | { readonly kind: 'delivered'; readonly status?: number }
  /** It may pass. `retryAfterMs` is what the receiver asked for. */
  | { readonly kind: 'failed'; readonly reason: string; readonly status?: number; readonly retryAfterMs?: number }
  /** The receiver wants no more, as by status 410. */
  | { readonly kind: 'gone'; readonly reason: string }
  /** It cannot work as it is set up: no secret, an address that may not be reached. Nobody outside was asked. */
  | { readonly kind: 'refused'; readonly reason: string };
