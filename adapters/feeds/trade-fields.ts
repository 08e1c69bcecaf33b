import type { LineReason } from '../../core/reasons.ts';
import type { Trade, TradeBatch } from '../../core/trade.ts';
import { eventTimeMaxMs, symbolBytesMax, tradeIdBytesMax, tradeIdNumberOf } from '../../core/trade.ts';
import { amountOf, wholeNumberOf } from './numbers.ts';

/** The fields of one line before anything is believed. Undefined or null means that the line has no such field. */
export type TradeFields = {
  readonly symbol: unknown;
  /** The decimal as written; another text where the field is there and no number. */
  readonly eventTimeMs: string | undefined;
  readonly price: string | undefined;
  readonly size: string | undefined;
  readonly tradeId: unknown;
  readonly conditions: unknown;
};

const conditionBytesMax = 16;
const conditionsMax = 16;
/** As many sets as the batch's column can number. */
const conditionSetsMax = 65_536;

/** The trade that the fields of a line say, or why it is none. The reasons are tried in the order of the fields. */
export function tradeOf(fields: TradeFields): Trade | LineReason {
  const { symbol, tradeId } = fields;
  if (symbol === undefined || symbol === null) return 'symbol-missing';
  if (!isSymbol(symbol)) return 'symbol-invalid';
  if (fields.eventTimeMs === undefined) return 'event-time-missing';
  const eventTimeMs = wholeNumberOf(fields.eventTimeMs);
  if (!isEventTime(eventTimeMs)) return 'event-time-invalid';
  if (fields.price === undefined) return 'price-missing';
  const price = amountOf(fields.price);
  if (typeof price === 'string') return `price-${price}`;
  if (fields.size === undefined) return 'size-missing';
  const size = amountOf(fields.size);
  if (typeof size === 'string') return `size-${size}`;
  const hasTradeId = tradeId !== undefined && tradeId !== null;
  if (hasTradeId && !isTradeId(tradeId)) return 'trade-id-invalid';
  const conditions = conditionsOf(fields.conditions);
  if (conditions === undefined) return 'conditions-invalid';
  return { symbol, eventTimeMs, price, size, ...(hasTradeId && { tradeId }), ...(conditions.length > 0 && { conditions }) };
}

/** Appends a trade; false when the batch can number no further condition set. */
export function addTrade(batch: TradeBatch, trade: Trade, flags = 0): boolean {
  const conditionSetNumber = trade.conditions ? batch.numberOfConditionSet(trade.conditions) : 0;
  if (conditionSetNumber >= conditionSetsMax) return false;
  const { tradeId = '' } = trade;
  const tradeIdNumber = tradeId === '' ? Number.NaN : tradeIdNumberOf(tradeId);
  const tradeIdText = Number.isNaN(tradeIdNumber) ? tradeId : '';
  const symbolNumber = batch.numberOfSymbol(trade.symbol);
  batch.add(symbolNumber, trade.eventTimeMs, trade.price, trade.size, tradeIdNumber, tradeIdText, conditionSetNumber, flags);
  return true;
}

export function isSymbol(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  return usualSymbol.test(value) || (value.trim() !== '' && !controlPattern.test(value) && isTextWithin(value, symbolBytesMax));
}

/** Nearly every symbol, and a third of the time that the whole question takes. */
const usualSymbol = /^[A-Z0-9][A-Z0-9./-]{0,31}$/;

export function isEventTime(value: unknown): value is number {
  return Number.isInteger(value) && Math.abs(value as number) <= eventTimeMaxMs;
}

/** The condition codes in a JSON value, none for null; undefined when it is no list of codes. An empty code says nothing and is left out. */
export function conditionsOf(value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > conditionsMax || !value.every(isCondition)) return undefined;
  return value.filter((code) => code !== '');
}

export function isTradeId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !controlPattern.test(value) && isTextWithin(value, tradeIdBytesMax);
}

function isCondition(value: unknown): value is string {
  return typeof value === 'string' && !controlPattern.test(value) && isTextWithin(value, conditionBytesMax);
}

function isTextWithin(text: string, bytesMax: number): boolean {
  return text.length <= bytesMax && text.isWellFormed() && Buffer.byteLength(text) <= bytesMax;
}

const controlPattern = /\p{Cc}/u;
