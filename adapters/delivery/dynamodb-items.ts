import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import type { Signal } from '../../core/signal.ts';
import type { DeadLetter, WaitingLane } from './store.ts';

/**
 * One table, `pk` and `sk` strings, `expiresAtSec` its time to live, and a local index of the lanes by when they are due:
 *
 *     pk                         sk                  attributes
 *     lanes#<endpoint>           <lane>              dueAtMs, signals, attempts, head, reason; claimed: leaseId, dueBeforeMs, and requeuedAtMs
 *                                                    when an earlier signal has been put back since
 *     pending#<endpoint>#<lane>  <place>             signal
 *     known#<endpoint>           <signalId>          fate, expiresAtSec
 *     dead#<endpoint>            <time>#<delivery>   lane, deliveryId, signals, attempts, reason, diedAtMs, expiresAtSec
 *     endpoints                  <endpoint>          state, version
 *     rounds                     <endpoint>          lease, untilMs
 *     order                      <symbol>            order, version, expiresAtSec; with something early: dueAtMs
 *
 * A lane is there only while something waits in it. To claim it is to put off its time to the end of the lease.
 */
export type Item = Record<string, AttributeValue>;

export const lanesPartition = (endpoint: string) => `lanes#${endpoint}`;
export const pendingPartition = (endpoint: string, lane: string) => `pending#${endpoint}#${lane}`;
export const knownPartition = (endpoint: string) => `known#${endpoint}`;
export const deadPartition = (endpoint: string) => `dead#${endpoint}`;
export const endpointsPartition = 'endpoints';
export const orderPartition = 'order';

export function key(pk: string, sk: string): Item {
  return { pk: { S: pk }, sk: { S: sk } };
}

/** Sorts as signals do in their lane: by the end of the window, which may be before 1970, then by id. */
export function placeOf({ windowEndMs, signalId }: Signal): string {
  return `${String(BigInt(windowEndMs) + 9_007_199_254_740_992n).padStart(17, '0')}#${signalId}`;
}

export function deadSortKey({ diedAtMs, deliveryId }: Pick<DeadLetter, 'diedAtMs' | 'deliveryId'>): string {
  return `${String(diedAtMs).padStart(16, '0')}#${deliveryId}`;
}

export type LaneItem = WaitingLane & {
  readonly isClaimed: boolean;
  /** Places of the signals that the last attempt was about. */
  readonly head: readonly string[] | undefined;
};

export function laneOf(item: Item): LaneItem {
  return {
    lane: textOf(item, 'sk'),
    signals: numberOf(item, 'signals'),
    attempts: numberOf(item, 'attempts'),
    dueAtMs: numberOf(item, 'dueAtMs'),
    reason: item['reason']?.S,
    isClaimed: item['leaseId'] !== undefined,
    head: item['head']?.S === undefined ? undefined : (JSON.parse(item['head'].S) as string[]),
  };
}

export function deadLetterItemOf(letter: DeadLetter, expiresAtSec: number): Item {
  const { endpoint, lane, deliveryId, signals, attempts, reason, diedAtMs } = letter;
  return {
    ...key(deadPartition(endpoint), deadSortKey(letter)),
    endpoint: text(endpoint),
    lane: text(lane),
    deliveryId: text(deliveryId),
    signals: text(JSON.stringify(signals)),
    attempts: number(attempts),
    reason: text(reason),
    diedAtMs: number(diedAtMs),
    expiresAtSec: number(expiresAtSec),
  };
}

export function deadLetterOf(item: Item): DeadLetter {
  return {
    endpoint: textOf(item, 'endpoint'),
    lane: textOf(item, 'lane'),
    deliveryId: textOf(item, 'deliveryId'),
    signals: JSON.parse(textOf(item, 'signals')) as Signal[],
    attempts: numberOf(item, 'attempts'),
    reason: textOf(item, 'reason'),
    diedAtMs: numberOf(item, 'diedAtMs'),
  };
}

export function signalOf(item: Item): Signal {
  return JSON.parse(textOf(item, 'signal')) as Signal;
}

export function text(value: string): AttributeValue {
  return { S: value };
}

export function number(value: number): AttributeValue {
  return { N: String(Math.ceil(value)) };
}

/** For the time to live. */
export function secondsOf(timeMs: number): AttributeValue.NMember {
  return { N: String(Math.ceil(timeMs / 1000)) };
}

export function textOf(item: Item, name: string): string {
  return item[name]?.S ?? '';
}

export function numberOf(item: Item, name: string): number {
  return Number(item[name]?.N ?? 0);
}
