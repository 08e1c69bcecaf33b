import type { Signal } from '../../core/signal.ts';
import { shortText } from './short-text.ts';

const lineCharactersMax = 400;

/**
 * A line a signal, for people. What does not fit is counted in the last line.
 * @param escaped makes text of ours or a user's mean nothing but itself to the service; it may make it up to five times as long
 */
export function chatText(
  signals: readonly Signal[],
  { charactersMax, escaped = (text) => text }: { readonly charactersMax: number; readonly escaped?: (text: string) => string },
): string {
  const lines = signals.map((signal) => escaped(lineOf(signal)));
  for (let shown = lines.length; ; shown--) {
    const rest = lines.length - shown;
    const text = [...lines.slice(0, shown), ...(rest === 0 ? [] : [`… and ${rest} more`])].join('\n');
    if (text.length <= charactersMax || shown === 0) return text;
  }
}

function lineOf({ side, symbol, price, intent, strategy, confidence, reasons, windowEndMs }: Signal): string {
  const end = new Date(windowEndMs);
  const time = Number.isNaN(end.getTime()) ? '' : ` · ${end.toISOString().replace('T', ' ').replace('.000Z', ' UTC')}`;
  const what = `${side === 'buy' ? '▲ BUY' : '▼ SELL'} ${shortText(symbol, 40)} at ${price} (${intent})`;
  const why = `${shortText(strategy, 60)}, ${Math.round(confidence * 100)} %: ${shortText(reasons.join('; '), 200)}`;
  return shortText(`${what} · ${why}${time}`, lineCharactersMax);
}
