import {
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  paginateQuery,
  PutItemCommand,
  type PutItemCommandInput,
  type QueryCommandInput,
} from '@aws-sdk/client-dynamodb';
import { failureOf } from '../aws-failure.ts';
import { type Backoff, waitAfterAttempt } from '../backoff.ts';
import { isOnlyBusy } from '../dynamodb-busy.ts';
import { TapelineError } from '../errors.ts';
import { type Item, number, text } from './dynamodb-items.ts';

/** The table did not answer, or refused: its name, its rights or its shape are not what deliveries need. */
class DeliveriesUnavailable extends TapelineError {
  constructor({ tableName, isPassing, cause }: { readonly tableName: string; readonly isPassing: boolean; readonly cause: Error }) {
    super(
      isPassing
        ? `the table of deliveries "${tableName}" did not answer (${cause.name}); what was under way is tried again`
        : `the table of deliveries "${tableName}" refused (${cause.name}: ${cause.message}); check its name, keys and permissions`,
      { code: isPassing ? 'deliveries-busy' : 'deliveries-refused', retryable: isPassing, cause },
    );
  }
}

const attemptsMax = 8;
const backoff: Backoff = { baseMs: 50, maxMs: 2_000 };

export type PartitionQuery = {
  readonly pk: string;
  readonly index?: string;
  readonly limit?: number;
  /** Of the index: only what is not above. */
  readonly dueThroughMs?: number;
  /** Sees page by page. */
  readonly isEnough?: (page: readonly Item[]) => boolean;
};

/** Asks the table of deliveries, and again where it is only busy. What is read is as of now. @throws DeliveriesUnavailable */
export class DynamoDbTable {
  readonly #client: DynamoDBClient;
  readonly #tableName: string;

  constructor({ client, tableName }: { readonly client: DynamoDBClient; readonly tableName: string }) {
    this.#client = client;
    this.#tableName = tableName;
  }

  async get(Key: Item): Promise<Item | undefined> {
    const { Item: item } = await this.call(() =>
      this.#client.send(new GetItemCommand({ TableName: this.#tableName, Key, ConsistentRead: true })),
    );
    return item;
  }

  /** @returns whether the condition held */
  put(item: Item, condition: Pick<PutItemCommandInput, 'ConditionExpression' | 'ExpressionAttributeValues'>): Promise<boolean> {
    return this.call(async () => {
      try {
        await this.#client.send(new PutItemCommand({ TableName: this.#tableName, Item: item, ...condition }));
        return true;
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) return false;
        throw error;
      }
    });
  }

  /** Puts what was made from the version before. @returns whether nobody else has put one since */
  putVersion(item: Item, version: number): Promise<boolean> {
    return this.put(
      { ...item, version: number(version) },
      {
        ConditionExpression: 'attribute_not_exists(pk) OR version = :before',
        ExpressionAttributeValues: { ':before': number(version - 1) },
      },
    );
  }

  /** A partition's items in order. */
  query({ pk, index, limit, dueThroughMs, isEnough = () => false }: PartitionQuery): Promise<Item[]> {
    const input: QueryCommandInput = {
      TableName: this.#tableName,
      ConsistentRead: true,
      KeyConditionExpression: `pk = :pk${dueThroughMs === undefined ? '' : ' AND dueAtMs <= :due'}`,
      ExpressionAttributeValues: { ':pk': text(pk), ...(dueThroughMs !== undefined && { ':due': number(dueThroughMs) }) },
      ...(index !== undefined && { IndexName: index }),
      ...(limit !== undefined && { Limit: limit }),
    };
    return this.call(async () => {
      const items: Item[] = [];
      for await (const { Items = [] } of paginateQuery({ client: this.#client }, input)) {
        items.push(...Items);
        if (isEnough(Items) || items.length >= (limit ?? Number.POSITIVE_INFINITY)) break;
      }
      return items;
    });
  }

  async call<T>(call: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await call();
      } catch (cause) {
        const failure = isBusy(cause) ? 'passing' : failureOf(cause);
        if (failure === 'ours') throw cause;
        if (failure === 'refused' || attempt === attemptsMax)
          throw new DeliveriesUnavailable({ tableName: this.#tableName, isPassing: failure === 'passing', cause: cause as Error });
      }
      await waitAfterAttempt(attempt, backoff);
    }
  }
}

/** Others were at the same items: a transaction is then cancelled, also by its condition, and an update refused. */
function isBusy(error: unknown): boolean {
  return (error as Error | null)?.name === 'TransactionConflictException' || isOnlyBusy(error, 'ConditionalCheckFailed');
}
