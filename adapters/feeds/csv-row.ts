import type { LineReason } from '../../core/reasons.ts';
import type { Trade } from '../../core/trade.ts';
import { tradeOf } from './trade-fields.ts';

/**
 * The cells of one row. Quoted cells are as in RFC 4180; blanks around a cell do not count, those inside of quotes do.
 * A quoted cell must end before a comma or the end of the row.
 */
export function cellsOf(row: string): string[] | 'csv-quote-unclosed' {
  const cells: string[] = [];
  let at = 0;
  for (;;) {
    const cell = cellAt(row, at);
    if (cell === undefined) return 'csv-quote-unclosed';
    cells.push(cell.text);
    if (cell.end === row.length) return cells;
    at = cell.end + 1;
  }
}

/** The trade in the cells of a row, or why it is none. An empty cell is a missing field. */
export function tradeOfCells(cells: readonly string[], columns: readonly string[]): Trade | LineReason {
  if (cells.length !== columns.length) return 'csv-column-count';
  const cellOf = (name: string) => cells[columns.indexOf(name)] || undefined;
  return tradeOf({
    symbol: cellOf('symbol'),
    eventTimeMs: cellOf('eventTimeMs'),
    price: cellOf('price'),
    size: cellOf('size'),
    tradeId: cellOf('tradeId'),
    conditions: cellOf('conditions')
      ?.split(/[; \t]/)
      .filter((code) => code !== ''),
  });
}

type Cell = { readonly text: string; readonly end: number };

function cellAt(row: string, start: number): Cell | undefined {
  const quoteAt = afterBlanks(row, start);
  if (row[quoteAt] === '"') return quotedCellAt(row, quoteAt);
  const commaAt = row.indexOf(',', start);
  const end = commaAt < 0 ? row.length : commaAt;
  return { text: withoutBlanks(row.slice(start, end)), end };
}

function quotedCellAt(row: string, quoteAt: number): Cell | undefined {
  let at = quoteAt + 1;
  for (;;) {
    at = row.indexOf('"', at);
    if (at < 0) return undefined;
    if (row[at + 1] !== '"') break;
    at += 2;
  }
  const end = afterBlanks(row, at + 1);
  if (end < row.length && row[end] !== ',') return undefined;
  return { text: row.slice(quoteAt + 1, at).replaceAll('""', '"'), end };
}

function afterBlanks(row: string, start: number): number {
  let at = start;
  while (row[at] === ' ' || row[at] === '\t') at++;
  return at;
}

function withoutBlanks(cell: string): string {
  return cell.replace(/^[ \t]+|[ \t]+$/g, '');
}
