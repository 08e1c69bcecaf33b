import { forward, standBetween } from './stand-between.ts';

/** The process is gone when its write is done and before it knows; of each bucket's commits every third, as the retry makes the next. */
await standBetween({
  service: 'DYNAMODB',
  target: 'DynamoDB_20120810.TransactWriteItems',
  answer: async (call) => {
    const answer = await forward(call);
    if (answer.status !== 200 || versionOf(call.body) % 3 !== 0) return answer;
    process.stdout.write('died after its commit\n', () => process.exit(1));
    return new Promise(() => {});
  },
});

function versionOf(transaction: string): number {
  const [first] = (JSON.parse(transaction) as { TransactItems: { Put: { Item: { version: { N: string } } } }[] }).TransactItems;
  return Number(first?.Put.Item.version.N);
}
