import type { Batch, Endpoint } from './delivery.ts';
import type { Signal } from './signal.ts';

/** The lane of signals that go in batches. No symbol's lane begins like it. */
const batchLane = '*';

/**
 * Deliveries of one lane go one after the other, each when the one before it has arrived or was given up. A lane is a symbol; where signals
 * go in batches, all of the endpoint's share one.
 */
export function laneOf({ batch }: Endpoint, { symbol }: Signal): string {
  return batch === undefined ? `=${symbol}` : batchLane;
}

/** Every signal by itself, at once. */
const single: Batch = { signalsMax: 1, waitMs: 0 };

export function batchOf({ batch = single }: Endpoint): Batch {
  return batch;
}

/** Whether what waits in the lane came before the endpoint's `batch` was added or removed. It goes first, so that each symbol keeps its order. */
export function isFromBefore(lane: string, { signalsMax }: Batch): boolean {
  return (lane === batchLane) !== signalsMax > 1;
}

/**
 * The name of a delivery: of a single signal its `signalId`; of a batch, that of its first and how many follow. A `signalId` has five parts
 * between `_`, so that the two are never the same.
 */
export function deliveryIdOf([first, ...rest]: readonly Signal[]): string {
  const { signalId } = first as Signal;
  return rest.length === 0 ? signalId : `${signalId}_and_${rest.length}`;
}
