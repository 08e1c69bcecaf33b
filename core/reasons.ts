/**
 * Why something was set aside, as one closed list: the same codes in outputs, counters, logs and docs.
 * `docs/quarantine.md` explains each to a user; a test keeps the two lists equal.
 */

/** A line of input that is not a trade. */
export const lineReasons = [
  'not-json',
  'not-an-object',
  'line-too-long',
  'not-utf8',
  'symbol-missing',
  'symbol-invalid',
  'event-time-missing',
  'event-time-invalid',
  'price-missing',
  'price-not-a-number',
  'price-not-positive',
  'price-too-precise',
  'size-missing',
  'size-not-a-number',
  'size-not-positive',
  'size-too-precise',
  'trade-id-invalid',
  'conditions-invalid',
  'csv-column-count',
  'csv-quote-unclosed',
  'message-invalid',
  'input-truncated',
] as const;

/** A tape record, or one trade in it, that cannot be folded. */
export const frameReasons = [
  'frame-empty',
  'frame-unknown-encoding',
  'frame-version-unsupported',
  'frame-truncated',
  'frame-checksum-mismatch',
  'frame-malformed',
  'frame-too-large',
  'wrong-bucket',
  'bucket-in-two-shards',
  'event-time-too-far-ahead',
] as const;

/** A strategy that threw or answered nonsense, for one symbol. */
export const strategyReasons = ['strategy-threw', 'strategy-invalid-decision'] as const;

export type LineReason = (typeof lineReasons)[number];
export type FrameReason = (typeof frameReasons)[number];
export type StrategyReason = (typeof strategyReasons)[number];
export type QuarantineReason = LineReason | FrameReason | StrategyReason;

export const quarantineReasons: readonly QuarantineReason[] = [...lineReasons, ...frameReasons, ...strategyReasons];

/** Why a trade did not reach a bar of one interval. */
export type LateReason = 'beyond-allowed-lateness';

/** What stopped a decision from becoming a signal. */
export const signalGuards = ['warm-up', 'cooldown', 'minimum-hold', 'daily-cap', 'already-in-position', 'no-position'] as const;
export type SignalGuard = (typeof signalGuards)[number];

/** Something set aside: where it was, why, and how it began (at most the first 200 bytes). */
export type Quarantined = { readonly position: string; readonly reason: QuarantineReason; readonly sample: string };

export const sampleBytesMax = 200;
