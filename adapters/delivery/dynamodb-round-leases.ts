import { randomUUID } from 'node:crypto';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { key, number, numberOf, text } from './dynamodb-items.ts';
import { DynamoDbTable } from './dynamodb-table.ts';
import type { RoundLeases } from './rounds.ts';

const roundsPartition = 'rounds';

/** Leases of rounds in the table of deliveries: an item for each endpoint, `rounds` and its name, with `lease` and `untilMs`. */
export class DynamoDbRoundLeases implements RoundLeases {
  readonly #table: DynamoDbTable;

  constructor(options: { readonly client: DynamoDBClient; readonly tableName: string }) {
    this.#table = new DynamoDbTable(options);
  }

  async take(
    endpoint: string,
    { nowMs, untilMs, from }: { readonly nowMs: number; readonly untilMs: number; readonly from?: string },
  ): Promise<string | undefined> {
    const lease = randomUUID();
    const isMine = await this.#table.put(
      { ...key(roundsPartition, endpoint), lease: text(lease), untilMs: number(untilMs) },
      {
        // It may be its own already: an answer may have been lost.
        ConditionExpression: 'attribute_not_exists(pk) OR untilMs <= :now OR lease IN (:lease, :from)',
        ExpressionAttributeValues: { ':now': number(nowMs), ':lease': text(lease), ':from': text(from ?? lease) },
      },
    );
    return isMine ? lease : undefined;
  }

  async end(endpoint: string, lease: string): Promise<void> {
    await this.#table.put(
      { ...key(roundsPartition, endpoint), lease: text(lease), untilMs: number(0) },
      { ConditionExpression: 'lease = :lease', ExpressionAttributeValues: { ':lease': text(lease) } },
    );
  }

  async isTaken(endpoint: string, nowMs: number): Promise<boolean> {
    const item = await this.#table.get(key(roundsPartition, endpoint));
    return item !== undefined && numberOf(item, 'untilMs') > nowMs;
  }
}
