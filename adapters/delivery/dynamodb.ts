import { randomUUID } from 'node:crypto';
import {
  type CancellationReason,
  ConditionalCheckFailedException,
  DynamoDBClient,
  TransactionCanceledException,
  type TransactWriteItem,
  TransactWriteItemsCommand,
  UpdateItemCommand,
  type UpdateItemCommandInput,
} from '@aws-sdk/client-dynamodb';
import { deliveryIdOf, isFromBefore } from '../../core/delivery-lane.ts';
import { deliveryTable } from '../../core/delivery-table.ts';
import { type EndpointState, healthy } from '../../core/endpoint-state.ts';
import { bySignalOrder, type Signal } from '../../core/signal.ts';
import { type Backoff, waitAfterAttempt } from '../backoff.ts';
import { inParallel } from '../in-parallel.ts';
import {
  deadLetterItemOf,
  deadLetterOf,
  deadPartition,
  deadSortKey,
  endpointsPartition,
  type Item,
  key,
  knownPartition,
  type LaneItem,
  laneOf,
  lanesPartition,
  number,
  numberOf,
  pendingPartition,
  placeOf,
  secondsOf,
  signalOf,
  text,
  textOf,
} from './dynamodb-items.ts';
import { DynamoDbTable } from './dynamodb-table.ts';
import {
  type Claim,
  type ClaimRequest,
  type Claims,
  type DeadLetter,
  type DeliveryCounts,
  type DeliveryStore,
  deadLettersKeptMs,
  type NewDeliveries,
  rememberedMs,
  type Settlement,
  type WaitingLane,
} from './store.ts';

export type DynamoDbDeliveriesOptions = {
  readonly client: DynamoDBClient;
  readonly tableName: string;
};

/** The deliveries of this table, in the account and region of the environment. */
export function deliveriesOf(tableName: string): DynamoDbDeliveries {
  return new DynamoDbDeliveries({ client: new DynamoDBClient(), tableName });
}

const parallelMax = 16;
const backoff: Backoff = { baseMs: 50, maxMs: 2_000 };
/** A transaction takes 100 items, and a signal has two beside the lane. */
const enqueuedAtOnceMax = 49;

/**
 * Deliveries in one DynamoDB table, for any number of dispatchers at once. A claim is a lease, taken by a condition on the lane; what is
 * settled under a lease that somebody else has now changes nothing.
 */
export class DynamoDbDeliveries implements DeliveryStore {
  readonly #client: DynamoDBClient;
  readonly #tableName: string;
  readonly #table: DynamoDbTable;
  readonly #listed = new Set<string>();
  /** How many signals the lane had when it was claimed. */
  readonly #signalsOf = new WeakMap<Claim, number>();

  constructor({ client, tableName }: DynamoDbDeliveriesOptions) {
    this.#client = client;
    this.#tableName = tableName;
    this.#table = new DynamoDbTable({ client, tableName });
  }

  async enqueue(deliveries: readonly NewDeliveries[], nowMs: number): Promise<number> {
    for (const endpoint of new Set(deliveries.map((each) => each.endpoint))) await this.#list(endpoint);
    const counts = await inParallel(deliveries, parallelMax, (each) => this.#enqueueLane(each, nowMs));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async drop(endpoint: string, signals: readonly Signal[], nowMs: number): Promise<number> {
    await this.#list(endpoint);
    const added = await inParallel(signals, parallelMax, ({ signalId }) =>
      this.#table.put(
        { ...key(knownPartition(endpoint), signalId), fate: text('dropped'), expiresAtSec: secondsOf(nowMs + rememberedMs) },
        { ConditionExpression: 'attribute_not_exists(pk)' },
      ),
    );
    return added.filter(Boolean).length;
  }

  async claim(request: ClaimRequest): Promise<Claims> {
    const { endpoint, batch, lanesMax, nowMs, isProbe = false } = request;
    const isFirst = ({ lane }: Pick<WaitingLane, 'lane'>) => isFromBefore(lane, batch);
    // Batches come first by name, and there is one lane of them: if there are both kinds, these are of both.
    const hasFirst = (await this.#table.query({ pk: lanesPartition(endpoint), limit: 2 })).map(laneOf).some(isFirst);
    const candidates: LaneItem[] = [];
    let nextDueAtMs: number | undefined;
    // By when they are due: those of others, whose lease is not over, are passed over.
    await this.#eachLane(endpoint, (lane) => {
      if (hasFirst && !isFirst(lane)) return 'more';
      const isDue = lane.dueAtMs <= nowMs;
      if (!isDue && lane.isClaimed) return 'more';
      if (candidates.length < lanesMax && (isDue || (isProbe && lane.attempts > 0))) candidates.push(lane);
      else {
        nextDueAtMs = lane.dueAtMs;
        return 'enough';
      }
      return 'more';
    });
    const claims = await inParallel(candidates, parallelMax, (lane) => this.#claimLane(lane, request));
    return { claims: claims.filter((claim) => claim !== undefined), nextDueAtMs };
  }

  async settle(settlements: readonly Settlement[]): Promise<void> {
    await inParallel(settlements, parallelMax, (settlement) => this.#settleOne(settlement));
  }

  async release(endpoint: string, nowMs: number): Promise<void> {
    const waiting: LaneItem[] = [];
    await this.#eachLane(endpoint, (lane) => {
      if (!lane.isClaimed && lane.attempts > 0 && lane.dueAtMs > nowMs) waiting.push(lane);
      return 'more';
    });
    await inParallel(waiting, parallelMax, ({ lane }) =>
      this.#updateLane(endpoint, lane, {
        UpdateExpression: 'SET dueAtMs = :now',
        ConditionExpression: 'attribute_exists(pk) AND attribute_not_exists(leaseId) AND dueAtMs > :now',
        ExpressionAttributeValues: { ':now': number(nowMs) },
      }),
    );
  }

  async endpointState(endpoint: string): Promise<EndpointState> {
    return (await this.#readEndpoint(endpoint)).state;
  }

  async changeEndpoint(endpoint: string, change: (state: EndpointState) => EndpointState): Promise<EndpointState> {
    for (let attempt = 1; ; attempt++) {
      const { state: before, version } = await this.#readEndpoint(endpoint);
      const state = change(before);
      if (await this.#writeEndpoint(endpoint, state, version)) return state;
      await waitAfterAttempt(attempt, backoff);
    }
  }

  async endpoints(): Promise<string[]> {
    return (await this.#table.query({ pk: endpointsPartition })).map((item) => textOf(item, 'sk'));
  }

  /** Reads all that is known of the endpoint: for people and tests. */
  async countsOf(endpoint: string): Promise<DeliveryCounts> {
    const counts = { pending: 0, dead: 0, delivered: 0, dropped: 0 };
    for (const item of await this.#table.query({ pk: knownPartition(endpoint) })) counts[textOf(item, 'fate') as keyof DeliveryCounts]++;
    return counts;
  }

  async waitingLanes(endpoint: string, limit: number): Promise<WaitingLane[]> {
    const lanes = await this.#table.query({ pk: lanesPartition(endpoint), limit, index: deliveryTable.dueIndex });
    return lanes.map(laneOf).map(({ head: _, isClaimed: __, ...lane }) => lane);
  }

  async deadLetters(endpoint: string, limit: number): Promise<DeadLetter[]> {
    return (await this.#table.query({ pk: deadPartition(endpoint), limit })).map(deadLetterOf);
  }

  async requeue(letters: readonly DeadLetter[], options: Parameters<DeliveryStore['requeue']>[1]): Promise<number> {
    const lanes = Map.groupBy(letters, ({ lane }) => lane);
    const counts = await inParallel([...lanes.values()], parallelMax, async (ofLane) => {
      let count = 0;
      // In their order: what is put back may be sent at once.
      for (const letter of ofLane.toSorted(byPlace)) count += await this.#requeueOne(letter, options);
      return count;
    });
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** The table does that by itself. */
  async removeExpired(): Promise<void> {}

  async #requeueOne(letter: DeadLetter, { batch, nowMs }: Parameters<DeliveryStore['requeue']>[1]): Promise<number> {
    const { endpoint, lane, signals } = letter;
    for (;;) {
      const item = await this.#table.get(key(lanesPartition(endpoint), lane));
      const reasons = await this.#transact([
        {
          Delete: {
            TableName: this.#tableName,
            Key: key(deadPartition(endpoint), deadSortKey(letter)),
            ConditionExpression: 'attribute_exists(pk)',
          },
        },
        ...signals.map(({ signalId }) => this.#fate(endpoint, signalId, 'pending', undefined)),
        ...signals.map((signal) => this.#putPending(endpoint, lane, signal)),
        this.#putBackInLane({ endpoint, lane, signals, batch }, item && laneOf(item), nowMs),
      ]);
      if (reasons === undefined) return signals.length;
      if (isConditionFailed(reasons[0])) return 0;
      // Else the lane was claimed or settled meanwhile.
    }
  }

  /** What is put back before the lane's head takes its place, at once or when the claim is settled under which that is sent now. */
  #putBackInLane(deliveries: NewDeliveries, before: LaneItem | undefined, nowMs: number): TransactWriteItem {
    const { endpoint, lane, signals } = deliveries;
    const [headPlace] = before?.head ?? [];
    if (headPlace !== undefined && headPlace < placeOf(signals[0] as Signal)) return this.#addToLane(deliveries, nowMs);
    const isClaimed = before?.isClaimed === true;
    const times = isClaimed ? 'dueBeforeMs = :now, requeuedAtMs = :now' : 'dueAtMs = :now';
    return {
      Update: {
        TableName: this.#tableName,
        Key: key(lanesPartition(endpoint), lane),
        UpdateExpression: `SET ${times}, attempts = :none ADD signals :count REMOVE head, reason`,
        ConditionExpression: isClaimed ? 'attribute_exists(leaseId)' : 'attribute_not_exists(leaseId)',
        ExpressionAttributeValues: { ':now': number(nowMs), ':none': number(0), ':count': number(signals.length) },
      },
    };
  }

  async #enqueueLane({ signals, ...rest }: NewDeliveries, nowMs: number): Promise<number> {
    let added = 0;
    for (let at = 0; at < signals.length; at += enqueuedAtOnceMax) {
      added += await this.#enqueueSome({ ...rest, signals: signals.slice(at, at + enqueuedAtOnceMax) }, nowMs);
    }
    if (added > 0) await this.#dueIfFull(rest.endpoint, rest.lane, rest.batch.signalsMax, nowMs);
    return added;
  }

  /** All at once, and again without those that are known. */
  async #enqueueSome(deliveries: NewDeliveries, nowMs: number): Promise<number> {
    const { endpoint, lane, signals } = deliveries;
    if (signals.length === 0) return 0;
    const reasons = await this.#transact([
      ...signals.map(({ signalId }) => ({
        Put: {
          TableName: this.#tableName,
          Item: { ...key(knownPartition(endpoint), signalId), fate: text('pending') },
          ConditionExpression: 'attribute_not_exists(pk)',
        },
      })),
      ...signals.map((signal) => this.#putPending(endpoint, lane, signal)),
      this.#addToLane(deliveries, nowMs),
    ]);
    if (reasons === undefined) return signals.length;
    return this.#enqueueSome({ ...deliveries, signals: signals.filter((_, i) => !isConditionFailed(reasons[i])) }, nowMs);
  }

  #putPending(endpoint: string, lane: string, signal: Signal): TransactWriteItem {
    const Item = { ...key(pendingPartition(endpoint, lane), placeOf(signal)), signal: text(JSON.stringify(signal)) };
    return { Put: { TableName: this.#tableName, Item } };
  }

  #addToLane({ endpoint, lane, signals, batch: { signalsMax, waitMs } }: NewDeliveries, nowMs: number): TransactWriteItem {
    return {
      Update: {
        TableName: this.#tableName,
        Key: key(lanesPartition(endpoint), lane),
        UpdateExpression: 'SET dueAtMs = if_not_exists(dueAtMs, :due), attempts = if_not_exists(attempts, :none) ADD signals :count',
        ExpressionAttributeValues: {
          ':due': number(signals.length >= signalsMax ? nowMs : nowMs + waitMs),
          ':none': number(0),
          ':count': number(signals.length),
        },
      },
    };
  }

  /** A batch that has become full does not wait. */
  async #dueIfFull(endpoint: string, lane: string, signalsMax: number, nowMs: number): Promise<void> {
    if (signalsMax === 1) return;
    await this.#updateLane(endpoint, lane, {
      UpdateExpression: 'SET dueAtMs = :now',
      ConditionExpression: 'signals >= :full AND attempts = :none AND dueAtMs > :now AND attribute_not_exists(leaseId)',
      ExpressionAttributeValues: { ':now': number(nowMs), ':full': number(signalsMax), ':none': number(0) },
    });
  }

  /** Undefined when somebody else was faster. */
  async #claimLane({ lane, dueAtMs }: LaneItem, { endpoint, batch, nowMs, leaseMs }: ClaimRequest): Promise<Claim | undefined> {
    const claimId = randomUUID();
    const claimed = await this.#updateLane(endpoint, lane, {
      UpdateExpression: 'SET dueAtMs = :until, dueBeforeMs = :due, leaseId = :lease REMOVE requeuedAtMs',
      // An answer may have been lost.
      ConditionExpression: 'dueAtMs = :due OR leaseId = :lease',
      ExpressionAttributeValues: { ':until': number(nowMs + leaseMs), ':due': number(dueAtMs), ':lease': text(claimId) },
      ReturnValues: 'ALL_NEW',
    });
    if (claimed === undefined) return undefined;
    const { head, attempts, signals: count } = laneOf(claimed);
    const signals = await this.#headOf(endpoint, lane, head, batch.signalsMax);
    if (head === undefined && batch.signalsMax > 1) {
      // What one attempt has sent together, the next must too, whatever comes in between.
      const frozen = await this.#updateLane(endpoint, lane, {
        UpdateExpression: 'SET head = :head',
        ConditionExpression: 'leaseId = :lease AND attribute_not_exists(requeuedAtMs)',
        ExpressionAttributeValues: { ':head': placesOf(signals), ':lease': text(claimId) },
      });
      if (frozen === undefined) return undefined;
    }
    const claim = { endpoint, lane, claimId, batch, signals, attempts, isProbe: dueAtMs > nowMs };
    this.#signalsOf.set(claim, count);
    return claim;
  }

  async #headOf(endpoint: string, lane: string, head: readonly string[] | undefined, signalsMax: number): Promise<Signal[]> {
    const pk = pendingPartition(endpoint, lane);
    if (head === undefined) return (await this.#table.query({ pk, limit: signalsMax })).map(signalOf);
    const items = await inParallel(head, parallelMax, (place) => this.#table.get(key(pk, place)));
    return items.flatMap((item) => (item === undefined ? [] : signalOf(item)));
  }

  async #settleOne(settlement: Settlement): Promise<void> {
    const { claim } = settlement;
    if (settlement.kind === 'released') return this.#giveBack(claim);
    if (settlement.kind === 'failed') return this.#keepHead(settlement);
    await this.#take(settlement, this.#signalsOf.get(claim) === claim.signals.length);
  }

  async #giveBack({ endpoint, lane, claimId }: Claim): Promise<void> {
    await this.#updateLane(endpoint, lane, {
      UpdateExpression: 'SET dueAtMs = dueBeforeMs REMOVE leaseId, dueBeforeMs, requeuedAtMs',
      ConditionExpression: 'leaseId = :lease',
      ExpressionAttributeValues: { ':lease': text(claimId) },
    });
  }

  async #keepHead({ claim, dueAtMs, attempts, reason }: Extract<Settlement, { kind: 'failed' }>): Promise<void> {
    const { endpoint, lane, claimId, signals } = claim;
    const kept = await this.#updateLane(endpoint, lane, {
      UpdateExpression: 'SET dueAtMs = :due, attempts = :attempts, reason = :reason, head = :head REMOVE leaseId, dueBeforeMs',
      ConditionExpression: 'leaseId = :lease AND attribute_not_exists(requeuedAtMs)',
      ExpressionAttributeValues: {
        ':lease': text(claimId),
        ':due': number(dueAtMs),
        ':attempts': number(attempts),
        ':reason': text(reason),
        ':head': placesOf(signals),
      },
    });
    // An earlier signal was put back: the lane begins with that one.
    if (kept === undefined) await this.#giveBack(claim);
  }

  /** Takes a delivery out of its lane, and the lane away when that was all; something may have come for it meanwhile. */
  async #take(settlement: Exclude<Settlement, { kind: 'failed' | 'released' }>, isLast: boolean): Promise<void> {
    const { claim, nowMs, kind } = settlement;
    const { endpoint, lane, signals, batch } = claim;
    const keptMs = kind === 'dead' ? deadLettersKeptMs : rememberedMs;
    const reasons = await this.#transact([
      isLast ? this.#removeLane(claim) : this.#takeFromLane(claim, nowMs),
      ...signals.map((signal) => ({ Delete: { TableName: this.#tableName, Key: key(pendingPartition(endpoint, lane), placeOf(signal)) } })),
      ...signals.map(({ signalId }) => this.#fate(endpoint, signalId, kind, nowMs + keptMs)),
      ...(kind === 'dead' ? [this.#bury(settlement)] : []),
    ]);
    const laneNow = reasons?.[0]?.Item;
    if (isLast && laneNow?.['leaseId']?.S === claim.claimId) return this.#take(settlement, false);
    if (reasons === undefined && !isLast) await this.#dueIfFull(endpoint, lane, batch.signalsMax, nowMs);
  }

  #bury({ claim, nowMs, attempts, reason }: Extract<Settlement, { kind: 'dead' }>): TransactWriteItem {
    const { endpoint, lane, signals } = claim;
    const letter = { endpoint, lane, deliveryId: deliveryIdOf(signals), signals, attempts, reason, diedAtMs: nowMs };
    return { Put: { TableName: this.#tableName, Item: deadLetterItemOf(letter, Number(secondsOf(nowMs + deadLettersKeptMs).N)) } };
  }

  #removeLane({ endpoint, lane, claimId, signals }: Claim): TransactWriteItem {
    return {
      Delete: {
        TableName: this.#tableName,
        Key: key(lanesPartition(endpoint), lane),
        ConditionExpression: 'leaseId = :lease AND signals = :count',
        ExpressionAttributeValues: { ':lease': text(claimId), ':count': number(signals.length) },
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      },
    };
  }

  #takeFromLane({ endpoint, lane, claimId, signals, batch: { waitMs } }: Claim, nowMs: number): TransactWriteItem {
    return {
      Update: {
        TableName: this.#tableName,
        Key: key(lanesPartition(endpoint), lane),
        UpdateExpression:
          'SET dueAtMs = if_not_exists(requeuedAtMs, :due), attempts = :none ADD signals :count REMOVE leaseId, dueBeforeMs, requeuedAtMs, head, reason',
        ConditionExpression: 'leaseId = :lease',
        ExpressionAttributeValues: {
          ':lease': text(claimId),
          ':due': number(nowMs + waitMs),
          ':none': number(0),
          ':count': number(-signals.length),
        },
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      },
    };
  }

  #fate(endpoint: string, signalId: string, fate: string, expiresAtMs: number | undefined): TransactWriteItem {
    const Item = {
      ...key(knownPartition(endpoint), signalId),
      fate: text(fate),
      ...(expiresAtMs !== undefined && { expiresAtSec: secondsOf(expiresAtMs) }),
    };
    return { Put: { TableName: this.#tableName, Item } };
  }

  /** So that it can be found when nothing but signals is known of it. */
  async #list(endpoint: string): Promise<void> {
    if (this.#listed.has(endpoint)) return;
    const { version } = await this.#readEndpoint(endpoint);
    if (version === 0) await this.#writeEndpoint(endpoint, healthy, 0);
    this.#listed.add(endpoint);
  }

  async #readEndpoint(endpoint: string): Promise<{ readonly state: EndpointState; readonly version: number }> {
    const item = await this.#table.get(key(endpointsPartition, endpoint));
    return item === undefined
      ? { state: healthy, version: 0 }
      : { state: JSON.parse(textOf(item, 'state')) as EndpointState, version: numberOf(item, 'version') };
  }

  /** Whether nobody else has changed it since. */
  #writeEndpoint(endpoint: string, state: EndpointState, version: number): Promise<boolean> {
    return this.#table.putVersion({ ...key(endpointsPartition, endpoint), state: text(JSON.stringify(state)) }, version + 1);
  }

  /** The lane as it is then, where that was asked for; undefined when the condition failed. */
  #updateLane(endpoint: string, lane: string, update: Omit<UpdateItemCommandInput, 'TableName' | 'Key'>): Promise<Item | undefined> {
    return this.#table.call(async () => {
      try {
        const Key = key(lanesPartition(endpoint), lane);
        const { Attributes } = await this.#client.send(new UpdateItemCommand({ TableName: this.#tableName, Key, ...update }));
        return Attributes ?? {};
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) return undefined;
        throw error;
      }
    });
  }

  /** Undefined when it was done; why not, item by item, when a condition failed. */
  #transact(TransactItems: TransactWriteItem[]): Promise<readonly CancellationReason[] | undefined> {
    return this.#table.call(async () => {
      try {
        await this.#client.send(new TransactWriteItemsCommand({ TransactItems }));
        return undefined;
      } catch (error) {
        const reasons = error instanceof TransactionCanceledException ? (error.CancellationReasons ?? []) : [];
        if (reasons.some(isConditionFailed)) return reasons;
        throw error;
      }
    });
  }

  /** In order of when they are due, until it is enough. */
  async #eachLane(endpoint: string, look: (lane: LaneItem) => 'more' | 'enough'): Promise<void> {
    let isEnough = false;
    await this.#table.query({
      pk: lanesPartition(endpoint),
      index: deliveryTable.dueIndex,
      isEnough: (items) => {
        for (const item of items) {
          isEnough ||= look(laneOf(item)) === 'enough';
          if (isEnough) break;
        }
        return isEnough;
      },
    });
  }
}

function isConditionFailed(reason: CancellationReason | undefined): boolean {
  return reason?.Code === 'ConditionalCheckFailed';
}

function placesOf(signals: readonly Signal[]) {
  return text(JSON.stringify(signals.map(placeOf)));
}

function byPlace(a: DeadLetter, b: DeadLetter): number {
  return bySignalOrder(a.signals[0] as Signal, b.signals[0] as Signal);
}
