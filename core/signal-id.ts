import type { EpochMs } from './trade.ts';

/**
 * The one name of a decision, however often and wherever it is made: `1_ema-cross_BRK~2EB_1m_1381152600000`.
 * Only `A-Z a-z 0-9 _ ~ -`, so that it is safe in a header, a URL, a file name and a queue's deduplication id. Two decisions never share
 * one: `_` parts the fields, and inside a field every other character is `~` and two hex digits for each of its UTF-8 bytes.
 */
export function signalIdOf(decision: {
  readonly generation: string;
  readonly strategy: string;
  readonly symbol: string;
  /** As text, such as `1m`. */
  readonly interval: string;
  readonly windowStartMs: EpochMs;
}): string {
  const { generation, strategy, symbol, interval, windowStartMs } = decision;
  return [generation, strategy, symbol, interval, String(windowStartMs)].map(escapeField).join('_');
}

/** A text as it is in a `signalId`: another one for each text. */
export function escapeField(text: string): string {
  return text.replace(/[^A-Za-z0-9-]/gu, (character) =>
    utf8BytesOf(character.codePointAt(0) as number)
      .map(escapeByte)
      .join(''),
  );
}

function escapeByte(byte: number): string {
  return `~${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}

/** A lone surrogate, which is no character, gets bytes of its own too: two texts never look the same. */
function utf8BytesOf(codePoint: number): number[] {
  const tail = (shift: number) => 0x80 | ((codePoint >> shift) & 0x3f);
  if (codePoint < 0x80) return [codePoint];
  if (codePoint < 0x800) return [0xc0 | (codePoint >> 6), tail(0)];
  if (codePoint < 0x10000) return [0xe0 | (codePoint >> 12), tail(6), tail(0)];
  return [0xf0 | (codePoint >> 18), tail(12), tail(6), tail(0)];
}
