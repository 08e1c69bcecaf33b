import { forward, standBetween } from './stand-between.ts';

/** The process is gone when its write is done and before it knows: after a third of all commits, as the retry has nothing to commit again. */
await standBetween({
  service: 'DYNAMODB',
  target: 'DynamoDB_20120810.TransactWriteItems',
  answer: async (call) => {
    const answer = await forward(call);
    const { bucket, version } = commitOf(call.body);
    if (answer.status !== 200 || (bucket + version) % 3 !== 0) return answer;
    process.stdout.write('died after its commit\n', () => process.exit(1));
    return new Promise(() => {});
  },
});

type Put = { readonly Put: { readonly Item: { readonly pk: { readonly S: string }; readonly version: { readonly N: string } } } };

function commitOf(transaction: string): { bucket: number; version: number } {
  const [head] = (JSON.parse(transaction) as { TransactItems: [Put] }).TransactItems;
  const { pk, version } = head.Put.Item;
  return { bucket: Number(pk.S.split('#').at(-1)), version: Number(version.N) };
}
