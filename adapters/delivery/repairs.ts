import type { Batch } from '../../core/delivery.ts';
import { healthy } from '../../core/endpoint-state.ts';
import type { DeliveryStore } from './store.ts';

/** Lets an endpoint go on, whatever stopped it or made it wait: all that waits is due now. */
export async function resume(store: DeliveryStore, endpoint: string, nowMs: number): Promise<void> {
  await store.changeEndpoint(endpoint, () => healthy);
  await store.release(endpoint, nowMs);
}

/** Sends nothing more to an endpoint until it is resumed; what comes for it waits. */
export async function disable(store: DeliveryStore, endpoint: string, nowMs: number): Promise<void> {
  await store.changeEndpoint(endpoint, (state) =>
    // What was refused here is tried again by itself, which a person does not want.
    state.kind === 'disabled' && state.cause !== 'refused'
      ? state
      : { kind: 'disabled', cause: 'command', reason: 'disabled by command', sinceMs: nowMs },
  );
}

/** Puts all dead letters of an endpoint back in their places. @returns how many signals that are */
export async function requeueAll(
  store: DeliveryStore,
  endpoint: string,
  options: { readonly batch: Batch; readonly nowMs: number },
): Promise<number> {
  let count = 0;
  for (;;) {
    const letters = await store.deadLetters(endpoint, 100);
    if (letters.length === 0) return count;
    count += await store.requeue(letters, options);
  }
}
