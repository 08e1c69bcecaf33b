import type { Endpoint } from './delivery.ts';
import { parseInterval } from './interval.ts';
import type { Signal } from './signal.ts';
import { silenceEndMs } from './silence.ts';
import type { EpochMs } from './trade.ts';

/** What an endpoint's choices say of a signal that comes now: `filtered` is not for it, `silenced` would be at another hour. */
export function choiceOf(endpoint: Endpoint, signal: Signal, nowMs: EpochMs): 'wanted' | 'filtered' | 'silenced' {
  if (!isWanted(endpoint, signal)) return 'filtered';
  return endpoint.onSilence === 'drop' && silenceEndMs(endpoint.silence ?? [], nowMs) !== undefined ? 'silenced' : 'wanted';
}

function isWanted({ symbols, strategies, sides, intervals, confidenceMin = 0 }: Endpoint, signal: Signal): boolean {
  const sizeMs = signal.windowEndMs - signal.windowStartMs;
  return (
    (symbols?.includes(signal.symbol) ?? true) &&
    (strategies?.includes(signal.strategy) ?? true) &&
    (sides?.includes(signal.side) ?? true) &&
    (intervals?.some((interval) => parseInterval(interval) === sizeMs) ?? true) &&
    signal.confidence >= confidenceMin
  );
}
