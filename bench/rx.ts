import { from, groupBy, mergeMap, reduce, Subject, tap, window } from 'rxjs';
import { type Answer, assertSame, keyOf } from './answer.ts';
import { answerOf, foldRecords, pipelineFor, statesOf } from './fold.ts';
import { framesOf, makeMarket } from './market.ts';
import { type JsonTrade, windowSizeMs } from './parsed.ts';
import { race } from './race.ts';
import { against, type Suite } from './suite.ts';

/** Packed frames to one-minute bars, against the same in rxjs over trades that are objects already, in order of time. */
export const rx: Suite = {
  name: 'rxjs',
  summary: 'packed frames to bars, against rxjs: groupBy, window, reduce',
  run: async ({ tradeCount, rounds, progress }) => {
    const market = makeMarket({ tradeCount });
    const records = framesOf(market);
    const trades: JsonTrade[] = Array.from({ length: tradeCount }, (_, i) => ({
      symbol: market.symbols[market.symbolNumber[i] as number] as string,
      eventTimeMs: market.eventTimeMs[i] as number,
      price: market.price[i] as number,
      size: market.size[i] as number,
    }));
    progress('comparing the bars');
    assertSame('rxjs', rxAnswer(trades), answerOf(records));
    const pipeline = pipelineFor();
    const contenders = [
      { name: 'ours', run: () => foldRecords(statesOf(pipeline), records) },
      { name: 'rxjs', run: () => rxBars(trades, () => {}) },
    ];
    const [oursNs = NaN, rxNs = NaN] = await race(contenders, { rounds: Math.min(rounds, 3), count: tradeCount, progress });
    return [against('packed to 1m bars / rxjs', oursNs, rxNs, { atLeast: 30, aim: 60 })];
  },
};

type RxBar = {
  readonly symbol: string;
  readonly windowStartMs: number;
  readonly open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
  tradeCount: number;
};

/** Each symbol tells its own window when a new one begins, just before the trade goes in. */
function rxBars(trades: readonly JsonTrade[], visit: (bar: RxBar) => void): void {
  from(trades)
    .pipe(
      groupBy((trade) => trade.symbol),
      mergeMap((ofSymbol) => {
        const boundary = new Subject<void>();
        let endMs = 0;
        return ofSymbol.pipe(
          tap(({ eventTimeMs }) => {
            if (eventTimeMs < endMs) return;
            if (endMs > 0) boundary.next();
            endMs = (Math.floor(eventTimeMs / windowSizeMs) + 1) * windowSizeMs;
          }),
          window(boundary),
          mergeMap((inWindow) => inWindow.pipe(reduce(withTrade, undefined as RxBar | undefined))),
        );
      }),
    )
    .subscribe((bar) => bar && visit(bar));
}

function withTrade(bar: RxBar | undefined, { symbol, eventTimeMs, price, size }: JsonTrade): RxBar {
  if (bar === undefined) {
    const windowStartMs = Math.floor(eventTimeMs / windowSizeMs) * windowSizeMs;
    return { symbol, windowStartMs, open: price, high: price, low: price, close: price, volume: size, tradeCount: 1 };
  }
  if (price > bar.high) bar.high = price;
  if (price < bar.low) bar.low = price;
  bar.close = price;
  bar.volume += size;
  bar.tradeCount++;
  return bar;
}

function rxAnswer(trades: readonly JsonTrade[]): Answer {
  const answer: Answer = new Map();
  rxBars(trades, ({ symbol, windowStartMs, open, high, low, close, volume, tradeCount }) =>
    answer.set(keyOf(symbol, windowStartMs), [open, high, low, close, volume, tradeCount]),
  );
  return answer;
}
