import type { Signal } from '../../core/signal.ts';
import { shortText } from './short-text.ts';

const lineCharactersMax = 400;

/**
 * Lines as one message. What does not fit is counted in the last one.
 * @param escaped makes a text mean nothing but itself to the service; it may make it up to five times as long
 */
export function chatText(
  lines: readonly string[],
  { charactersMax, escaped = (text) => text }: { readonly charactersMax: number; readonly escaped?: (text: string) => string },
): string {
  const all = lines.map(escaped);
  for (let shown = all.length; ; shown--) {
    const rest = all.length - shown;
    const text = [...all.slice(0, shown), ...(rest === 0 ? [] : [`… and ${rest} more`])].join('\n');
    if (text.length <= charactersMax || shown === 0) return text;
  }
}

/** A signal for people, in one line of at most 400 characters. */
export function chatLineOf({ side, symbol, price, intent, strategy, confidence, reasons, windowEndMs }: Signal): string {
  const end = new Date(windowEndMs);
  const time = Number.isNaN(end.getTime()) ? '' : ` · ${end.toISOString().replace('T', ' ').replace('.000Z', ' UTC')}`;
  const what = `${side === 'buy' ? '▲ BUY' : '▼ SELL'} ${shortText(symbol, 40)} at ${price} (${intent})`;
  const why = `${shortText(strategy, 60)}, ${Math.round(confidence * 100)} %: ${shortText(reasons.join('; '), 200)}`;
  return shortText(`${what} · ${why}${time}`, lineCharactersMax);
}
