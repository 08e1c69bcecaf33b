import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { deliveryTable } from '../../core/delivery-table.ts';
import { orderAtFirst, type SymbolOrder } from '../../core/signal-order.ts';
import type { KeptOrder, OrderStore } from './arrivals.ts';
import { key, number, numberOf, orderPartition, secondsOf, text, textOf } from './dynamodb-items.ts';
import { DynamoDbTable } from './dynamodb-table.ts';

/** A symbol without a signal for as long is as one that is new. */
const keptMs = 90 * 24 * 3_600_000;

/** Symbols' orders in the table of deliveries: an item for each, replaced by a condition on its version. */
export class DynamoDbOrders implements OrderStore {
  readonly #table: DynamoDbTable;

  constructor(options: { readonly client: DynamoDBClient; readonly tableName: string }) {
    this.#table = new DynamoDbTable(options);
  }

  async load(symbol: string): Promise<KeptOrder> {
    const item = await this.#table.get(key(orderPartition, symbol));
    if (item === undefined) return { symbol, order: orderAtFirst, version: 0 };
    return { symbol, order: JSON.parse(textOf(item, 'order')) as SymbolOrder, version: numberOf(item, 'version') };
  }

  save({ symbol, order, version }: KeptOrder, nowMs: number): Promise<boolean> {
    const dueAtMs = Math.min(...order.early.map(({ untilMs }) => untilMs));
    const item = {
      ...key(orderPartition, symbol),
      order: text(JSON.stringify(order)),
      expiresAtSec: secondsOf(nowMs + keptMs),
      ...(Number.isFinite(dueAtMs) && { dueAtMs: number(dueAtMs) }),
    };
    return this.#table.putVersion(item, version + 1);
  }

  async overdue(nowMs: number, limit: number): Promise<string[]> {
    const items = await this.#table.query({ pk: orderPartition, index: deliveryTable.dueIndex, limit, dueThroughMs: nowMs });
    return items.map((item) => textOf(item, 'sk'));
  }
}
