import { BIGINT, DOUBLE, type DuckDBConnection, DuckDBDataChunk, DuckDBInstance, VARCHAR } from '@duckdb/node-api';
import { type Answer, assertSame, keyOf } from './answer.ts';
import { answerOf, foldRecords, pipelineFor, statesOf } from './fold.ts';
import { framesOf, type Market, makeMarket } from './market.ts';
import { windowSizeMs } from './parsed.ts';
import { race } from './race.ts';
import { against, type Goal, type Measure, type Settings, type Suite } from './suite.ts';

/**
 * Packed frames to one-minute bars, against one group-by over all trades, which lie in memory as columns, symbols as numbers. The engines
 * take the first and the last of a group for open and close, which is right only because these trades are in order of time.
 */
export const polars: Suite = {
  name: 'polars',
  summary: 'packed frames to bars, against a group-by of nodejs-polars, one thread',
  run: (settings) => raceEngine('nodejs-polars', openPolars, { atLeast: 1, aim: 2 }, settings),
};

export const duckdb: Suite = {
  name: 'duckdb',
  summary: 'packed frames to bars, against a group by of DuckDB, one thread',
  run: (settings) => raceEngine('DuckDB', openDuckDb, { atLeast: 1.5, aim: 3 }, settings),
};

type Engine = {
  readonly run: () => unknown;
  readonly answer: () => Answer | Promise<Answer>;
  readonly close: () => void;
};

async function raceEngine(
  name: string,
  open: (market: Market) => Promise<Engine>,
  goal: Goal,
  { tradeCount, rounds, progress }: Settings,
): Promise<Measure[]> {
  const market = makeMarket({ tradeCount });
  const records = framesOf(market);
  progress('loading the trades');
  const engine = await open(market);
  progress('comparing the bars');
  assertSame(name, await engine.answer(), answerOf(records));
  const pipeline = pipelineFor();
  const contenders = [
    { name: 'ours', run: () => foldRecords(statesOf(pipeline), records) },
    { name, run: engine.run },
  ];
  const [oursNs = NaN, theirsNs = NaN] = await race(contenders, { rounds, count: tradeCount, progress });
  engine.close();
  return [against(`packed to 1m bars / ${name}`, oursNs, theirsNs, goal)];
}

const barsSql = `SELECT symbol, eventTimeMs // ${windowSizeMs} * ${windowSizeMs} AS windowStartMs, first(price) AS open, max(price) AS high,
  min(price) AS low, last(price) AS close, sum(size) AS volume, count(*) AS tradeCount FROM trades GROUP BY ALL`;

async function openDuckDb(market: Market): Promise<Engine> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  await loadTrades(connection, market);
  return {
    run: () => connection.run(`CREATE OR REPLACE TABLE bars AS ${barsSql}`),
    answer: async (): Promise<Answer> => {
      const rows = (await connection.runAndReadAll(barsSql)).getRows() as [string, bigint, ...number[]][];
      return new Map(
        rows.map(([symbol, startMs, open = NaN, high = NaN, low = NaN, close = NaN, volume = NaN, tradeCount = NaN]) => [
          keyOf(symbol, Number(startMs)),
          [open, high, low, close, volume, Number(tradeCount)],
        ]),
      );
    },
    close: () => {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

async function loadTrades(connection: DuckDBConnection, { count, symbols, symbolNumber, eventTimeMs, price, size }: Market): Promise<void> {
  await connection.run(`CREATE TYPE ticker AS ENUM (${symbols.map((symbol) => `'${symbol}'`).join(', ')})`);
  await connection.run('CREATE TABLE loaded (symbol VARCHAR, eventTimeMs BIGINT, price DOUBLE, size DOUBLE)');
  const appender = await connection.createAppender('loaded');
  const rowsMax = 2048;
  for (let from = 0; from < count; from += rowsMax) {
    const to = Math.min(from + rowsMax, count);
    const chunk = DuckDBDataChunk.create([VARCHAR, BIGINT, DOUBLE, DOUBLE], to - from);
    chunk.setColumns([
      Array.from(symbolNumber.subarray(from, to), (number) => symbols[number] as string),
      Array.from(eventTimeMs.subarray(from, to), BigInt),
      Array.from(price.subarray(from, to)),
      Array.from(size.subarray(from, to)),
    ]);
    appender.appendDataChunk(chunk);
  }
  appender.closeSync();
  await connection.run('CREATE TABLE trades AS SELECT symbol::ticker AS symbol, eventTimeMs, price, size FROM loaded; DROP TABLE loaded');
}

async function openPolars({ count, symbols, symbolNumber, eventTimeMs, price, size }: Market): Promise<Engine> {
  // Read when the library is loaded.
  process.env['POLARS_MAX_THREADS'] = '1';
  const { default: pl } = await import('nodejs-polars');
  const frame = pl
    .DataFrame([
      pl.Series(
        'symbol',
        Array.from({ length: count }, (_, i) => symbols[symbolNumber[i] as number] as string),
      ),
      pl.Series('eventTimeMs', BigInt64Array.from(eventTimeMs, BigInt), pl.Int64),
      pl.Series('price', price),
      pl.Series('size', size),
    ])
    .withColumns(pl.col('symbol').cast(pl.Categorical));
  const time = pl.col('eventTimeMs');
  const query = () =>
    frame
      .lazy()
      .withColumns(time.minus(time.modulo(pl.lit(windowSizeMs))).alias('windowStartMs'))
      .groupBy(['symbol', 'windowStartMs'])
      .agg(
        pl.col('price').first().alias('open'),
        pl.col('price').max().alias('high'),
        pl.col('price').min().alias('low'),
        pl.col('price').last().alias('close'),
        pl.col('size').sum().alias('volume'),
        pl.col('size').count().alias('tradeCount'),
      )
      .collectSync();
  return {
    run: query,
    close: () => {},
    answer: (): Answer => {
      const bars = query().withColumns(pl.col('symbol').cast(pl.Utf8));
      const column = (name: string) => bars.getColumn(name).toArray() as unknown[];
      const [symbol, startMs] = [column('symbol'), column('windowStartMs')];
      const values = ['open', 'high', 'low', 'close', 'volume', 'tradeCount'].map(column);
      return new Map(
        symbol.map((name, i) => {
          const [open = NaN, high = NaN, low = NaN, close = NaN, volume = NaN, tradeCount = NaN] = values.map((of) => Number(of[i]));
          return [keyOf(String(name), Number(startMs[i])), [open, high, low, close, volume, tradeCount]];
        }),
      );
    },
  };
}
