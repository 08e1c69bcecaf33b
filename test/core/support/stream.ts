import { Random } from '../../../core/simulation-random.ts';
import type { ConsumeEvent, ConsumeResponse, TravellingState } from '../../../lambdas/consume-kinesis.ts';

/** A record of the stream, as the event source mapping reads it. */
export type StreamRecord = {
  readonly sequenceNumber: string;
  readonly partitionKey: string;
  readonly arrivalTimeMs: number;
  readonly data: Uint8Array;
};

export type Handler = (event: ConsumeEvent) => Promise<ConsumeResponse>;

export type EventOptions = {
  /** Undefined: the event has no window, as from Kafka or an emulator. */
  readonly state?: TravellingState;
  readonly shardId?: string;
  readonly isFinal?: boolean;
};

export function eventOf(
  records: readonly StreamRecord[],
  { state, shardId = 'shardId-0', isFinal = false }: EventOptions = {},
): ConsumeEvent {
  const Records = records.map(({ sequenceNumber, partitionKey, arrivalTimeMs, data }) => ({
    eventID: `${shardId}:${sequenceNumber}`,
    kinesis: {
      data: Buffer.from(data.buffer, data.byteOffset, data.length).toString('base64'),
      partitionKey,
      sequenceNumber,
      approximateArrivalTimestamp: arrivalTimeMs / 1000,
    },
  }));
  if (state === undefined) return { Records };
  return {
    Records,
    window: { start: '2024-01-02T14:30:00Z', end: '2024-01-02T14:31:00Z' },
    // What Lambda carries, it carries as JSON.
    state: JSON.parse(JSON.stringify(state)) as TravellingState,
    shardId,
    isFinalInvokeForWindow: isFinal,
    isWindowTerminatedEarly: false,
  };
}

/** `count` items in slices that end behind the given indexes. */
export function slicesOf<T>(items: readonly T[], cuts: readonly number[]): T[][] {
  const ends = [...new Set(cuts.filter((cut) => cut > 0 && cut < items.length))].sort((a, b) => a - b);
  return [...ends, items.length].map((end, i) => items.slice(i === 0 ? 0 : ends[i - 1], end));
}

/** Every way to cut so many items into batches, as long as these are few; else this many, drawn by a seed. */
export function cutsOf(count: number, { most, seed }: { readonly most: number; readonly seed: number }): number[][] {
  const ways = 2 ** (count - 1);
  const draw = randomOf(seed);
  const patterns =
    ways <= most ? Array.from({ length: ways }, (_, way) => way) : Array.from({ length: most }, () => Math.floor(draw() * ways));
  return patterns.map((pattern) =>
    Array.from({ length: count - 1 }, (_, i) => i + 1).filter((cut) => Math.floor(pattern / 2 ** (cut - 1)) % 2 === 1),
  );
}

/** Numbers from 0 to 1 that are the same for a seed on every machine. */
export function randomOf(seed: number): () => number {
  const random = new Random({ seed, stream: 0 });
  return () => random.unit();
}
