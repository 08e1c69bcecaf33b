import type { LineReason } from './reasons.ts';

/** What a bad line is made from: the fields of a true trade, as JSON texts. */
type Fields = { readonly symbol: string; readonly eventTimeMs: string; readonly price: string; readonly size: string };

type BadLineKind = { readonly reason: LineReason; readonly make: (fields: Fields) => string };

const object = (members: Readonly<Record<string, string>>) =>
  `{${Object.entries(members)
    .map(([name, json]) => `"${name}":${json}`)
    .join(',')}}`;

function without(name: keyof Fields): BadLineKind['make'] {
  return (fields) => object(Object.fromEntries(Object.entries(fields).filter(([field]) => field !== name)));
}

function having(name: string, json: string): BadLineKind['make'] {
  return (fields) => object({ ...fields, [name]: json });
}

/** Lines that are no trades, each in one way only, and the reason that a decoder of NDJSON finds. A byte is a character up to U+00FF. */
export const badLineKinds: readonly BadLineKind[] = [
  { reason: 'not-json', make: (fields) => object(fields).slice(0, -8) },
  { reason: 'price-not-positive', make: having('price', '0') },
  { reason: 'symbol-missing', make: without('symbol') },
  { reason: 'event-time-invalid', make: having('eventTimeMs', '"2024-01-02T14:30:00Z"') },
  { reason: 'size-not-positive', make: having('size', '-100') },
  { reason: 'not-an-object', make: (fields) => `[${fields.symbol},${fields.eventTimeMs},${fields.price},${fields.size}]` },
  { reason: 'price-missing', make: without('price') },
  { reason: 'not-json', make: having('price', 'NaN') },
  { reason: 'event-time-missing', make: without('eventTimeMs') },
  { reason: 'size-missing', make: without('size') },
  { reason: 'not-utf8', make: having('symbol', '"\u00ff\u00fe"') },
  { reason: 'price-not-a-number', make: having('price', '"n/a"') },
  { reason: 'symbol-invalid', make: having('symbol', '""') },
  { reason: 'event-time-invalid', make: having('eventTimeMs', '1704205800123000000') },
  { reason: 'size-not-a-number', make: having('size', 'true') },
  { reason: 'price-not-positive', make: (fields) => object({ ...fields, price: `-${fields.price}` }) },
  { reason: 'not-json', make: (fields) => `trade ${fields.symbol} ${fields.price} x ${fields.size}` },
  { reason: 'symbol-invalid', make: having('symbol', '7203') },
  { reason: 'event-time-invalid', make: (fields) => object({ ...fields, eventTimeMs: `${fields.eventTimeMs}.5` }) },
  { reason: 'size-not-positive', make: having('size', '0') },
  { reason: 'conditions-invalid', make: having('conditions', '"@F"') },
  { reason: 'trade-id-invalid', make: having('tradeId', '{"id":17}') },
  { reason: 'not-an-object', make: () => 'null' },
];

export function bytesOfLine(line: string): Uint8Array {
  return Uint8Array.from(line, (character) => character.charCodeAt(0));
}
