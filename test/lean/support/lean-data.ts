import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Trade } from '../../../core/trade.ts';
import { readZippedText } from './zip.ts';

const folder = fileURLToPath(new URL('../../../../shared/data/lean/ticks/', import.meta.url));
export const isLeanDataHere = existsSync(folder);

/** New York's midnight of the day, four hours behind UTC. */
export const midnightMs = Date.UTC(2013, 9, 7, 4);

export type Prices = { readonly open: number; readonly high: number; readonly low: number; readonly close: number };

/** LEAN's bars by window start; prices × 10,000, as LEAN writes them. */
export function readLeanBars(resolution: 'second' | 'minute'): Map<number, Prices> {
  const rows = rowsOf(resolution).map((row) => row.map(Number));
  return new Map(rows.map(([ms = 0, open = 0, high = 0, low = 0, close = 0]) => [midnightMs + ms, { open, high, low, close }]));
}

/** LEAN's ticks as trades with sale conditions; what LEAN calls suspicious is left out. */
export function readLeanTrades(): Trade[] {
  return rowsOf('tick').flatMap(([ms = '', price = '', size = '', , conditions = '', suspicious = '']) => {
    const codes = saleConditionsOf(Number.parseInt(conditions, 16));
    const trade = { symbol: 'IBM', eventTimeMs: midnightMs + Number(ms), price: Number(price) / 10_000, size: Number(size) };
    return suspicious === '0' ? [{ ...trade, ...(codes.length > 0 && { conditions: codes }) }] : [];
  });
}

/** The conditions for which LEAN lets a trade make no price; a form T trade makes prices in LEAN whatever else it is, so it keeps no code. */
function saleConditionsOf(bits: number): readonly string[] {
  if (bits & 0x2000) return [];
  return [...(bits & 0x20 ? ['I'] : []), ...(bits & 0x100000 ? ['W'] : []), ...(bits & 0x40200 ? ['4', 'V'] : [])];
}

function rowsOf(kind: 'tick' | 'second' | 'minute'): string[][] {
  return readZippedText(`${folder}ibm-20131007-${kind}-trade.zip`)
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => line.trim().split(','));
}
