import { type Answer, type Call, forward, standBetween } from './stand-between.ts';

const refusal = { code: 'ThrottlingException', message: 'Rate exceeded' };
/** Longer than the publisher tries. */
const refusedMs = 5_000;
let firstMs: number | undefined;
let calls = 0;

/** The bus takes no call for a while, so that the function gives up once; after that it takes of every second call the first entry alone. */
await standBetween({
  service: 'EVENTBRIDGE',
  target: 'AWSEvents.PutEvents',
  answer: async (call) => {
    firstMs ??= performance.now();
    if (performance.now() - firstMs < refusedMs)
      return { status: 400, body: JSON.stringify({ __type: refusal.code, message: refusal.message }) };
    return ++calls % 2 === 0 ? forward(call) : firstEntryOnly(call);
  },
});

async function firstEntryOnly({ headers, body }: Call): Promise<Answer> {
  const { Entries } = JSON.parse(body) as { Entries: object[] };
  const taken = JSON.parse((await forward({ headers, body: JSON.stringify({ Entries: Entries.slice(0, 1) }) })).body) as {
    Entries: object[];
  };
  const refused = Entries.slice(1).map(() => ({ ErrorCode: refusal.code, ErrorMessage: refusal.message }));
  return { status: 200, body: JSON.stringify({ FailedEntryCount: refused.length, Entries: [...taken.Entries, ...refused] }) };
}
