import { answerOf, foldRecords, pipelineFor, statesOf } from './fold.ts';
import { framesOf, lineOf, type Market, makeMarket, type PackedRecord } from './market.ts';
import { race } from './race.ts';
import { addParsed, type JsonTrade, parseOf } from './parsed.ts';
import { type Answer, assertSame } from './answer.ts';
import { against, type Measure, type Settings, type Suite } from './suite.ts';

/**
 * Packed frames to one-minute bars, against `JSON.parse` of the same trades as lines, which makes no bars. Ours has the checksum, the
 * dictionary, the watermark, the late check and bars given out in it, and with ids the search for repeats.
 */
export const packed: Suite = {
  name: 'packed',
  summary: 'packed frames to bars, against bare JSON.parse',
  run: async (settings) => {
    const market = makeMarket(settings);
    return [
      ...(await measure(market, settings, { withIds: false, fields: 'symbol, time, price, size', goal: { atLeast: 15, aim: 30 } })),
      ...(await measure(market, settings, { withIds: true, fields: 'and tradeId; ours looks for repeats', goal: undefined })),
    ];
  },
};

type Variant = { readonly withIds: boolean; readonly fields: string; readonly goal: Measure['goal'] };

async function measure(market: Market, { rounds, progress }: Settings, { withIds, fields, goal }: Variant): Promise<Measure[]> {
  progress(`making frames of ${market.count} trades`);
  const records = framesOf(market, { withIds });
  progress('comparing the bars');
  assertSame('JSON.parse, put into bars one by one', parsedAnswer(market, withIds), answerOf(records));
  const pipeline = pipelineFor();
  const contenders = [{ name: 'ours', run: () => foldRecords(statesOf(pipeline), records) }, parseOf(market, { withIds })];
  const [oursNs = Number.NaN, theirsNs = Number.NaN] = await race(contenders, { rounds, count: market.count, progress });
  const bytesPerTrade = bytesOf(records) / market.count;
  return [
    against(`packed to 1m bars / JSON.parse (${fields})`, oursNs, theirsNs, goal),
    { what: `a packed frame (${fields.split(';')[0]})`, ours: bytesPerTrade, theirs: lineBytes(market, withIds), unit: 'bytes/trade' },
  ];
}

function parsedAnswer(market: Market, withIds: boolean): Answer {
  const answer: Answer = new Map();
  for (let i = 0; i < market.count; i++) addParsed(answer, JSON.parse(lineOf(market, i, { withIds })) as JsonTrade);
  return answer;
}

function bytesOf(records: readonly PackedRecord[]): number {
  return records.reduce((sum, { data }) => sum + data.length, 0);
}

function lineBytes(market: Market, withIds: boolean): number {
  let sum = 0;
  for (let i = 0; i < market.count; i++) sum += lineOf(market, i, { withIds }).length + 1;
  return sum / market.count;
}
