import { addTrade } from '../../../adapters/feeds/trade-fields.ts';
import { decodeRecord } from '../../../adapters/frames/decode.ts';
import { encodePacked } from '../../../adapters/frames/packed.ts';
import { type Frame, FrameBuilder, heartbeatIndex, silentFlag } from '../../../core/frame.ts';
import { type Trade, TradeBatch } from '../../../core/trade.ts';

export const startMs = 1_704_205_800_000;

/** One bucket's trades as one frame; a number is a heartbeat. */
export function frameOf(entries: readonly (Trade | number)[], { bucket = 0, producerSequence = 0 } = {}): Frame {
  const builder = new FrameBuilder(bucket, Math.max(1, entries.length));
  const batch = new TradeBatch();
  for (const entry of entries) {
    if (typeof entry === 'number') builder.addHeartbeat(entry);
    else {
      addTrade(batch, entry);
      builder.addTrade(batch, batch.length - 1);
    }
  }
  return builder.take(producerSequence === 0 ? '' : 'feed', producerSequence);
}

/** What a frame says, entry by entry. */
export function entriesOf(frame: Frame): (Trade | { heartbeatMs: number; flags: number })[] {
  return Array.from({ length: frame.count }, (_, i) => {
    const eventTimeMs = frame.baseTimeMs + (frame.timeOffsetMs[i] as number);
    const symbolIndex = frame.symbolIndex[i] as number;
    if (symbolIndex === heartbeatIndex) return { heartbeatMs: eventTimeMs, flags: frame.flags[i] as number };
    const number = frame.tradeIdNumber?.[i] ?? Number.NaN;
    const tradeId = Number.isNaN(number) ? (frame.tradeIdText?.[i] ?? '') : String(number);
    const conditions = frame.conditionSets[frame.conditionIndex[i] as number] as readonly string[];
    return {
      symbol: frame.symbols[symbolIndex] as string,
      eventTimeMs,
      price: frame.price[i] as number,
      size: frame.size[i] as number,
      ...(tradeId !== '' && { tradeId }),
      ...(conditions.length > 0 && { conditions }),
    };
  });
}

/** What a record says: its trades and heartbeats, and the reasons of what it cannot say. */
export function readRecord(data: Uint8Array, bucket = 0) {
  const { frames, rejected } = decodeRecord({ sequenceNumber: '1', arrivalTimeMs: startMs, data }, bucket);
  const entries = frames.flatMap(entriesOf);
  return {
    trades: entries.filter((entry) => 'symbol' in entry),
    heartbeatsMs: entries.flatMap((entry) => ('heartbeatMs' in entry && (entry.flags & silentFlag) === 0 ? [entry.heartbeatMs] : [])),
    rejected: rejected.map(({ index, reason }) => [index, reason] as const),
    samples: rejected.map(({ sample }) => sample),
    entryCount: entries.length,
  };
}

export function packed(entries: readonly (Trade | number)[], options: { bucket?: number; producerSequence?: number } = {}): Uint8Array {
  return encodePacked(frameOf(entries, options));
}
