import { type Frame, heartbeatIndex, silentFlag } from '../core/frame.ts';
import type { TradeBatch } from '../core/trade.ts';

/** Which trades of an input are wanted; the rest is as if it had not been there. */
export type TradeFilter = {
  readonly symbols?: ReadonlySet<string> | undefined;
  /** From this event time on, and before that one. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
};

/** Takes the unwanted trades out of a batch, in place. */
export function filterTrades(batch: TradeBatch, filter: TradeFilter): void {
  if (takesAll(filter)) return;
  const { symbols, fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY } = filter;
  const isWanted = symbols === undefined ? undefined : batch.symbols.map((symbol) => symbols.has(symbol));
  const texts = batch.tradeIdText;
  let kept = 0;
  for (let i = 0; i < batch.length; i++) {
    const timeMs = batch.eventTimeMs[i] as number;
    if (timeMs < fromMs || timeMs >= toMs || (isWanted !== undefined && !isWanted[batch.symbolNumber[i] as number])) continue;
    batch.symbolNumber[kept] = batch.symbolNumber[i] as number;
    batch.eventTimeMs[kept] = timeMs;
    batch.price[kept] = batch.price[i] as number;
    batch.size[kept] = batch.size[i] as number;
    batch.tradeIdNumber[kept] = batch.tradeIdNumber[i] as number;
    batch.conditionSetNumber[kept] = batch.conditionSetNumber[i] as number;
    batch.flags[kept] = batch.flags[i] as number;
    // One without an id must not get that of a trade that is taken out.
    if (kept < texts.length) texts[kept] = i < texts.length ? (texts[i] as string) : '';
    kept++;
  }
  batch.length = kept;
  if (texts.length > kept) texts.length = kept;
}

/**
 * The frame with heartbeats for its unwanted trades, and only the symbols of the others: what the feed had seen by then stays known.
 * @param latestMs a trade after it was too far ahead and told nothing
 */
export function filterFrame(frame: Frame, filter: TradeFilter, latestMs: number): Frame {
  if (takesAll(filter)) return frame;
  const { symbols, fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY } = filter;
  const filtered = { ...frame, symbols: [] as string[], symbolIndex: frame.symbolIndex.slice(), flags: frame.flags.slice() };
  const newIndex = new Int32Array(frame.symbols.length).fill(-1);
  for (let i = 0; i < frame.count; i++) {
    const index = frame.symbolIndex[i] as number;
    if (index === heartbeatIndex) continue;
    const timeMs = frame.baseTimeMs + (frame.timeOffsetMs[i] as number);
    if (timeMs >= fromMs && timeMs < toMs && (symbols === undefined || symbols.has(frame.symbols[index] as string))) {
      if (newIndex[index] === -1) newIndex[index] = filtered.symbols.push(frame.symbols[index] as string) - 1;
      filtered.symbolIndex[i] = newIndex[index] as number;
      continue;
    }
    filtered.symbolIndex[i] = heartbeatIndex;
    filtered.flags[i] = timeMs > latestMs ? silentFlag : 0;
  }
  return filtered;
}

function takesAll({ symbols, fromMs, toMs }: TradeFilter): boolean {
  return symbols === undefined && fromMs === undefined && toMs === undefined;
}
