import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { openInput, readFeed } from '../adapters/feeds/input.ts';
import { ndjson } from '../adapters/feeds/ndjson.ts';
import type { BucketState } from '../core/bucket-state.ts';
import { emptyOutcome } from '../core/bucket-state.ts';
import { advance } from '../core/consume.ts';
import { Framer } from '../core/framer.ts';
import { TradeBatch } from '../core/trade.ts';
import breakout from '../strategies/breakout.ts';
import emaCross from '../strategies/ema-cross.ts';
import rsiReversion from '../strategies/rsi-reversion.ts';
import { addBars, type Answer, assertSame } from './answer.ts';
import { answerOf, pipelineFor, statesOf } from './fold.ts';
import { arrivalTimeMs, framesOf, lineOf, type Market, makeMarket } from './market.ts';
import { parseOf } from './parsed.ts';
import { race } from './race.ts';
import { against, type Suite } from './suite.ts';

export const strategies = [emaCross, rsiReversion, breakout];

/** A file of lines to bars and signals of three strategies, against `JSON.parse` of the same lines, which lie in memory as strings. */
export const replay: Suite = {
  name: 'replay',
  summary: 'NDJSON file to bars and three strategies, against bare JSON.parse',
  run: async ({ tradeCount, rounds, progress }) => {
    const market = makeMarket({ tradeCount });
    const folder = await mkdtemp(join(tmpdir(), 'tapeline-bench-'));
    const path = join(folder, 'trades.ndjson');
    try {
      progress('writing the file');
      await writeLines(path, market);
      const pipeline = pipelineFor({ strategies });
      const contenders = [{ name: 'ours', run: () => replayFile(path, statesOf(pipeline)) }, parseOf(market, { withIds: false })];
      const [oursNs = NaN, theirsNs = NaN] = await race(contenders, { rounds, count: tradeCount, progress });
      progress('comparing the bars');
      await compare(path, market);
      return [against('NDJSON file to bars and 3 strategies / JSON.parse', oursNs, theirsNs, { atLeast: 1, aim: 3 })];
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

/**
 * After the race: packed frames have other arrays than those that a replay makes of a file, and code that has seen both is compiled for both.
 * @throws Error when the bars differ
 */
async function compare(path: string, market: Market): Promise<void> {
  const answer: Answer = new Map();
  const signals = await replayFile(path, statesOf(pipelineFor({ strategies })), answer);
  if (signals === 0 && market.count >= 1_000_000) throw new Error('the strategies gave no signal');
  assertSame('the file', answer, answerOf(framesOf(market)));
}

/** Returns how many signals came. */
async function replayFile(path: string, states: readonly BucketState[], answer?: Answer): Promise<number> {
  const trades = new TradeBatch();
  const outcome = emptyOutcome();
  let sequence = 0;
  let signals = 0;
  const framer = new Framer({
    bucketCount: states.length,
    producerId: 'bench',
    aheadMaxMs: 0,
    outOfOrdernessMs: 2_000,
    emit: (frame) => {
      const record = { sequenceNumber: String(++sequence), arrivalTimeMs, frames: [frame], rejected: [] };
      advance(states[frame.bucket] as BucketState, [record], outcome);
      signals += outcome.signals.length;
      if (answer !== undefined) addBars(answer, outcome.bars);
      outcome.bars.clear();
      outcome.signals.length = 0;
    },
  });
  for await (const _ of readFeed(await openInput(path), ndjson.decoder(), { trades, rejected: [] })) {
    framer.add(trades, arrivalTimeMs);
    trades.clear();
  }
  framer.end();
  return signals;
}

const linesAtOnce = 10_000;

export async function writeLines(path: string, market: Market): Promise<void> {
  const file = createWriteStream(path);
  for (let from = 0; from < market.count; from += linesAtOnce) {
    let text = '';
    for (let i = from; i < Math.min(from + linesAtOnce, market.count); i++) text += `${lineOf(market, i, { withIds: false })}\n`;
    if (!file.write(text)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'close');
}
