import { randomUUID } from 'node:crypto';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { key, number, numberOf, text } from './dynamodb-items.ts';
import { DynamoDbTable } from './dynamodb-table.ts';
import type { RoundLeases } from './rounds.ts';

const roundsPartition = 'rounds';

/** Leases of rounds in the table of deliveries: an item for each endpoint, `rounds` and its name, with `round` and `untilMs`. */
export class DynamoDbRoundLeases implements RoundLeases {
  readonly #table: DynamoDbTable;

  constructor(options: { readonly client: DynamoDBClient; readonly tableName: string }) {
    this.#table = new DynamoDbTable(options);
  }

  async begin(endpoint: string, { nowMs, untilMs }: { readonly nowMs: number; readonly untilMs: number }): Promise<string | undefined> {
    const round = randomUUID();
    const isMine = await this.#table.put(
      { ...key(roundsPartition, endpoint), round: text(round), untilMs: number(untilMs) },
      {
        // An answer may have been lost.
        ConditionExpression: 'attribute_not_exists(pk) OR untilMs <= :now OR round = :round',
        ExpressionAttributeValues: { ':now': number(nowMs), ':round': text(round) },
      },
    );
    return isMine ? round : undefined;
  }

  async end(endpoint: string, round: string): Promise<void> {
    await this.#table.put(
      { ...key(roundsPartition, endpoint), round: text(round), untilMs: number(0) },
      { ConditionExpression: 'round = :round', ExpressionAttributeValues: { ':round': text(round) } },
    );
  }

  async isUnderWay(endpoint: string, nowMs: number): Promise<boolean> {
    const item = await this.#table.get(key(roundsPartition, endpoint));
    return item !== undefined && numberOf(item, 'untilMs') > nowMs;
  }
}
