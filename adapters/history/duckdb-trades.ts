import { type DuckDBConnection, type DuckDBDataChunk, DuckDBTableFunction } from '@duckdb/node-api';
import { tradesTable } from '../../core/history-tables.ts';
import { fillColumn } from './duckdb-rows.ts';
import { typeOf } from './duckdb-schema.ts';
import { tradesOnTape } from './tape-trades.ts';
import type { TradeRow } from './trades.ts';

type Scan = { readonly trades: Generator<TradeRow>; readonly columns: readonly number[] };

const chunkRowsMax = 2048;

/**
 * Makes the trades of a tape the table `trades` of a connection: they are read from the tape as the query asks for them, and kept nowhere twice.
 * Returns what ends the scans that a query has left open.
 */
export async function showTrades(connection: DuckDBConnection, tapeFile: string): Promise<() => void> {
  const scans: Scan[] = [];
  const tradesFunction = DuckDBTableFunction.create({
    name: 'tape_trades',
    supportsProjectionPushdown: true,
    bindFunction: (bind) => {
      for (const { name, type } of tradesTable.columns) bind.addResultColumn(name, typeOf[type]);
    },
    initFunction: (init) => {
      const scan: Scan = { trades: tradesOnTape(tapeFile), columns: init.getColumnIndexes() };
      scans.push(scan);
      init.setInitData(scan);
    },
    mainFunction: (info, chunk) => {
      try {
        fill(chunk, info.initData as Scan);
      } catch (cause) {
        info.setError(`the tape "${tapeFile}" cannot be read: ${(cause as Error).message}`);
      }
    },
  });
  connection.registerTableFunction(tradesFunction);
  await connection.run('CREATE TEMP VIEW trades AS SELECT * FROM tape_trades()');
  return () => {
    for (const { trades } of scans) trades.return(undefined);
  };
}

function fill(chunk: DuckDBDataChunk, { trades, columns }: Scan): void {
  const rows: TradeRow[] = [];
  while (rows.length < chunkRowsMax) {
    const { value, done } = trades.next();
    if (done) break;
    rows.push(value);
  }
  chunk.rowCount = rows.length;
  for (const [at, column] of columns.entries()) {
    // Where a query only counts, it asks for a column that there is not.
    const name = tradesTable.columns[column]?.name;
    if (name !== undefined) fillColumn(chunk, at, name, rows);
  }
}
