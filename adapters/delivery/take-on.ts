import type { Endpoint } from '../../core/delivery.ts';
import { choiceOf } from '../../core/delivery-choice.ts';
import { batchOf, laneOf } from '../../core/delivery-lane.ts';
import type { EndpointState } from '../../core/endpoint-state.ts';
import type { Signal } from '../../core/signal.ts';
import { inParallel } from '../in-parallel.ts';
import { type DeliveryStore, type NewDeliveries, rememberedMs } from './store.ts';

/** Of signals offered, once for each endpoint. */
export type Offered = {
  /** Will be delivered. */
  readonly enqueued: number;
  /** The endpoint had them before. */
  readonly repeated: number;
  /** Not for the endpoint, by its choices. */
  readonly filtered: number;
  /** Came in silent hours in which they are dropped. */
  readonly silenced: number;
  /** The endpoint has been disabled for so long that nothing more is kept for it. */
  readonly abandoned: number;
};

export type TakeOnOptions = {
  readonly endpoints: readonly Endpoint[];
  readonly store: Pick<DeliveryStore, 'drop' | 'enqueue'>;
  readonly stateOf: (endpoint: string) => Promise<EndpointState>;
  readonly nowMs: number;
};

export type TakenOn = {
  readonly offered: Offered;
  /** Endpoints that signals were enqueued for, now or when they came before. */
  readonly wanting: readonly string[];
};

const parallelMax = 16;

/**
 * Takes signals on for each endpoint that wants them: when it answers, they are durable. Taking them on again is harmless.
 * @throws what the store throws
 */
export async function takeOn(signals: readonly Signal[], { endpoints, store, stateOf, nowMs }: TakeOnOptions): Promise<TakenOn> {
  const parts = await inParallel(endpoints, parallelMax, async (endpoint) => {
    const { wanted = [], filtered = [], silenced = [] } = Object.groupBy(signals, (signal) => choiceOf(endpoint, signal, nowMs));
    const { name } = endpoint;
    const isAbandoned = wanted.length > 0 && isDisabledForLong(await stateOf(name), nowMs);
    return {
      filtered: filtered.length,
      silenced: silenced.length === 0 ? 0 : await store.drop(name, silenced, nowMs),
      abandoned: isAbandoned ? await store.drop(name, wanted, nowMs) : 0,
      deliveries: isAbandoned ? [] : deliveriesOf(endpoint, wanted),
    };
  });
  const deliveries = parts.flatMap((part) => part.deliveries);
  const enqueued = deliveries.length === 0 ? 0 : await store.enqueue(deliveries, nowMs);
  const sum = (of: 'filtered' | 'silenced' | 'abandoned') => parts.reduce((total, part) => total + part[of], 0);
  const [filtered, silenced, abandoned] = [sum('filtered'), sum('silenced'), sum('abandoned')];
  const repeated = signals.length * endpoints.length - enqueued - filtered - silenced - abandoned;
  return {
    offered: { enqueued, repeated, filtered, silenced, abandoned },
    wanting: [...new Set(deliveries.map(({ endpoint }) => endpoint))],
  };
}

function isDisabledForLong(state: EndpointState, nowMs: number): boolean {
  return state.kind === 'disabled' && nowMs - state.sinceMs >= rememberedMs;
}

function deliveriesOf(endpoint: Endpoint, signals: readonly Signal[]): NewDeliveries[] {
  const lanes = Map.groupBy(signals, (signal) => laneOf(endpoint, signal));
  return [...lanes].map(([lane, ofLane]) => ({ endpoint: endpoint.name, lane, signals: ofLane, batch: batchOf(endpoint) }));
}
