import type { LinkedSignal } from '../../core/signal.ts';

export type ParsedSignals = { readonly ok: true; readonly signals: LinkedSignal[] } | { readonly ok: false; readonly reason: string };

/** Reads a JSON array of signals, as the outbox holds it. What passes here passes the published schema. */
export function parseSignals(json: string): ParsedSignals {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    return { ok: false, reason: `it is not JSON (${(error as Error).message})` };
  }
  if (!Array.isArray(value)) return { ok: false, reason: `it must be an array of signals, received "${typeof value}"` };
  for (const [i, signal] of value.entries()) {
    const field = wrongField(signal);
    if (field !== undefined) return { ok: false, reason: `signal ${i} is wrong in "${field}"` };
  }
  return { ok: true, signals: value as LinkedSignal[] };
}

/** Reads a signal's CloudEvent, as the bus brings it. */
export function parseSignalEvent(json: string): ParsedSignals {
  try {
    const { data, previousid } = JSON.parse(json) as { data?: object; previousid?: unknown };
    return parseSignals(JSON.stringify([{ ...data, previousId: previousid }]));
  } catch (error) {
    return { ok: false, reason: `it is not a CloudEvent in JSON (${(error as Error).message})` };
  }
}

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string' && value !== '';
const isTime: Check = (value) => Number.isSafeInteger(value);
const isId: Check = (value) => typeof value === 'string' && /^[A-Za-z0-9_~-]+$/.test(value);
const isOneOf =
  (...values: unknown[]): Check =>
  (value) =>
    values.includes(value);

const checks: Readonly<Record<keyof LinkedSignal, Check>> = {
  signalId: isId,
  previousId: (value) => value === undefined || isId(value),
  symbol: isText,
  strategy: isText,
  side: isOneOf('buy', 'sell'),
  intent: isOneOf('enter', 'exit'),
  windowStartMs: isTime,
  windowEndMs: isTime,
  price: (value) => typeof value === 'number' && value > 0,
  confidence: (value) => typeof value === 'number' && value >= 0 && value <= 1,
  reasons: (value) => Array.isArray(value) && value.length > 0 && value.every((reason) => typeof reason === 'string'),
};

/** The first field that is wrong. */
function wrongField(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return '';
  return Object.entries(checks).find(([name, isRight]) => !isRight((value as Record<string, unknown>)[name]))?.[0];
}
