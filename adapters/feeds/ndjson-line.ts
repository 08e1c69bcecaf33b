import type { LineReason } from '../../core/reasons.ts';
import type { Trade } from '../../core/trade.ts';
import type { JsonSpan } from './json-spans.ts';
import { membersOf } from './json-spans.ts';
import { textOf } from './lines.ts';
import { tradeOf } from './trade-fields.ts';

/**
 * The trade on the JSON line in `bytes` from `start` to `end`, or why there is none: what a line means, whatever it costs. The scanner
 * must agree with it on every line that it accepts.
 */
export function tradeOfJsonLine(bytes: Uint8Array, start: number, end: number): Trade | LineReason | 'blank' {
  const json = textOf(bytes, start, end);
  if (json === undefined) return 'not-utf8';
  if (/^[ \t\r]*$/.test(json)) return 'blank';
  const object = parsed(json);
  if (object === undefined) return 'not-json';
  if (object === null || typeof object !== 'object' || Array.isArray(object)) return 'not-an-object';
  const members = membersOf(json);
  const written = (name: string) => writtenAt(json, members.get(name));
  return tradeOf({
    symbol: valueAt(written('symbol')),
    eventTimeMs: numberTextOf(written('eventTimeMs')),
    price: amountTextOf(written('price')),
    size: amountTextOf(written('size')),
    tradeId: tradeIdOf(written('tradeId')),
    conditions: valueAt(written('conditions')),
  });
}

/** The value of a JSON text; undefined, which no JSON text has for a value, when it is none. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** A member as it is written; undefined when it is not there or null. */
function writtenAt(json: string, span: JsonSpan | undefined): string | undefined {
  const written = span && json.slice(span.start, span.end);
  return written === 'null' ? undefined : written;
}

function valueAt(written: string | undefined): unknown {
  return written === undefined ? undefined : JSON.parse(written);
}

function isNumber(written: string): boolean {
  return /^[-\d]/.test(written);
}

const notANumber = '';

function numberTextOf(written: string | undefined): string | undefined {
  return written === undefined || isNumber(written) ? written : notANumber;
}

function amountTextOf(written: string | undefined): string | undefined {
  return written?.startsWith('"') ? JSON.parse(written) : numberTextOf(written);
}

/** Digits stay as they are: ids beyond 2^53 would become one another as numbers. */
function tradeIdOf(written: string | undefined): unknown {
  if (written === undefined || !isNumber(written)) return valueAt(written);
  if (/^\d+$/.test(written)) return written;
  const number = Number(written);
  return Number.isSafeInteger(number) && number >= 0 ? String(number) : number;
}
