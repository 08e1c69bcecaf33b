// A Lambda function subscribed to the signal topic. Its table has the partition key "id" (text), and "expiresAtSec" as time to live.
import {
  ConditionalCheckFailedException,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';

type SnsEvent = { readonly Records: readonly { readonly Sns: { readonly Message: string } }[] };
type SignalEvent = {
  readonly id: string;
  readonly type: string;
  readonly data: { readonly symbol: string; readonly side: 'buy' | 'sell'; readonly price: number; readonly strategy: string };
};

const { TABLE_NAME } = process.env;
const database = new DynamoDBClient();
const leaseSec = 60;
const rememberedSec = 7 * 86_400;

/** Lambda invokes it only for the topic that its permission names, so there is no signature to verify. */
export async function handler({ Records }: SnsEvent): Promise<void> {
  for (const { Sns } of Records) {
    const event = JSON.parse(Sns.Message) as SignalEvent;
    if (event.type !== 'tapeline.signal.v1' || !(await isClaimed(event.id))) continue;
    await act(event);
    await markDone(event.id);
  }
}

async function act({ data }: SignalEvent): Promise<void> {
  console.log(`${data.side} ${data.symbol} at ${data.price} (${data.strategy})`);
}

/** Once for each id. Who claimed it and did not finish within the lease is taken for dead. @throws when somebody is at it: Lambda tries again */
async function isClaimed(id: string): Promise<boolean> {
  const nowSec = Math.floor(Date.now() / 1000);
  try {
    await database.send(
      new PutItemCommand({
        TableName: TABLE_NAME,
        Item: { id: { S: id }, leaseUntilSec: { N: String(nowSec + leaseSec) }, expiresAtSec: { N: String(nowSec + rememberedSec) } },
        ConditionExpression: 'attribute_not_exists(id) OR (attribute_not_exists(isDone) AND leaseUntilSec < :now)',
        ExpressionAttributeValues: { ':now': { N: String(nowSec) } },
      }),
    );
    return true;
  } catch (error) {
    if (!(error instanceof ConditionalCheckFailedException)) throw error;
    const { Item } = await database.send(new GetItemCommand({ TableName: TABLE_NAME, Key: { id: { S: id } }, ConsistentRead: true }));
    if (Item?.['isDone'] === undefined) throw new Error(`"${id}" is being worked on`);
    return false;
  }
}

async function markDone(id: string): Promise<void> {
  await database.send(
    new UpdateItemCommand({
      TableName: TABLE_NAME,
      Key: { id: { S: id } },
      UpdateExpression: 'SET isDone = :true',
      ExpressionAttributeValues: { ':true': { BOOL: true } },
    }),
  );
}
