import type { LineReason } from '../../core/reasons.ts';
import { amountMax, amountMin, conflatedFlag } from '../../core/trade.ts';
import type { FeedFormat, FeedOutput } from './feed.ts';
import { elementsOf, membersOf } from './json-spans.ts';
import type { LineReader } from './lines.ts';
import { LineFeed, lineFeed, textOf } from './lines.ts';
import { isEventTime, isSymbol } from './trade-fields.ts';

/**
 * Schwab's streamer, LEVELONE_EQUITIES: a line is one websocket message. The service sends no trades but the fields that changed of a
 * symbol, among them the volume of the day: a trade is a rise of it.
 *
 * | what comes | what it is |
 * |---|---|
 * | the first update of a key | a snapshot: carried, never a trade. So is the first volume of a key that had none yet |
 * | volume higher than the carried one | a trade: size = the rise, price = the update's or the carried one |
 * | volume lower than the carried one | the session began anew: a trade of the new volume, if it is above zero |
 * | no volume, or the same | a quote |
 * | a rise without a price known (dead symbols carry zeros) | no trade yet: the volume carried stays, so the next priced rise has it all |
 *
 * A trade is flagged as conflated when it is known to stand for several: its size is not the last size (field 9, carried too), or it
 * has an earlier rise in it. A stream without field 9 cannot tell; those trades are counted as `conflationUnknown` and not flagged.
 */
export const schwab: FeedFormat = {
  name: 'schwab',
  summary: 'recorded messages of the Schwab streamer, one a line: trades from LEVELONE_EQUITIES',
  decoder: (from) =>
    new LineFeed({ lineBytesMax: messageBytesMax, from, reader: (counts, memory) => new SchwabReader(counts, memory as Memory) }),
};

/** The first message of a subscription to all symbols of a market is a few megabytes. */
const messageBytesMax = 16_777_216;

const service = 'LEVELONE_EQUITIES';
const field = { price: '3', volume: '8', lastSize: '9', tradeTimeMs: '35' } as const;

/** What is known of a symbol; 0 stands for a price or a last size not seen yet, -1 for a volume not seen yet. */
type Carried = { price: number; volume: number; lastSize: number; isRisePending: boolean };

type Memory = readonly (readonly [key: string, carried: Carried])[] | undefined;

/** Other services to count by name; the names come from outside. */
const ignoredNamesMax = 64;

class SchwabReader implements LineReader {
  readonly #carried: Map<string, Carried>;
  readonly #counts: Record<string, number>;

  constructor(counts: Record<string, number>, memory: Memory) {
    this.#carried = new Map(memory);
    this.#counts = counts;
    for (const name of countNames) counts[name] ??= 0;
  }

  memory(): Memory {
    return [...this.#carried];
  }

  readLine(lines: LineFeed, start: number, out: FeedOutput): number {
    const end = lines.bytes.indexOf(lineFeed, start);
    const text = textOf(lines.bytes, start, end);
    if (text !== undefined && /^[ \t\r]*$/.test(text)) lines.skipBlankLine();
    else {
      const reason = text === undefined ? 'not-utf8' : this.#readMessage(text, { lines, start, out });
      if (reason) lines.reject(out, reason, start, end);
    }
    return end + 1;
  }

  /** Reads a message; returns why the whole of it cannot be read. */
  #readMessage(text: string, at: Place): LineReason | undefined {
    const message = parsed(text);
    if (message === undefined) return 'not-json';
    if (!isObject(message)) return 'not-an-object';
    const known = ['data', 'response', 'notify', 'snapshot'].filter((name) => Array.isArray(message[name]));
    if (known.length === 0) return 'message-invalid';
    this.#count('messages');
    for (const name of known) if (name !== 'data') this.#ignore(name);
    if (known.includes('data')) this.#readData(message.data as unknown[], new Entries(text, at));
    return undefined;
  }

  #readData(data: readonly unknown[], entries: Entries): void {
    for (const [i, part] of data.entries()) {
      if (!isObject(part) || typeof part.service !== 'string') entries.reject('message-invalid', i);
      else if (part.service !== service) this.#ignore(part.service);
      else if (!Array.isArray(part.content)) entries.reject('message-invalid', i);
      else {
        for (const [j, update] of part.content.entries()) {
          const reason = this.#readUpdate(update, part.timestamp, entries.out);
          if (reason) entries.reject(reason, i, j);
        }
      }
    }
  }

  /** Carries one update of a symbol on. An update that is returned with a reason has changed nothing. */
  #readUpdate(update: unknown, timestamp: unknown, out: FeedOutput): LineReason | undefined {
    if (!isObject(update)) return 'message-invalid';
    const fields = fieldsOf(update);
    if (typeof fields === 'string') return fields;
    const { key, volume } = fields;
    const before = this.#carried.get(key);
    const price = fields.price || (before?.price ?? 0);
    const lastSize = fields.lastSize || (before?.lastSize ?? 0);
    const carried = { price, lastSize, volume: before?.volume ?? -1, isRisePending: before?.isRisePending ?? false };
    const isReset = volume !== undefined && volume < carried.volume;
    const rise = volume === undefined || carried.volume < 0 ? 0 : isReset ? volume : volume - carried.volume;

    if (rise > 0 && price > 0) {
      const eventTimeMs = fields.tradeTimeMs || timestamp;
      if (eventTimeMs === undefined || eventTimeMs === null) return 'event-time-missing';
      if (!isEventTime(eventTimeMs)) return 'event-time-invalid';
      const isConflated = carried.isRisePending || (lastSize > 0 && rise !== lastSize);
      const flags = isConflated ? conflatedFlag : 0;
      out.trades.add(out.trades.numberOfSymbol(key), eventTimeMs, price, rise, Number.NaN, '', 0, flags);
      this.#count('trades');
      if (isConflated) this.#count('conflated');
      else if (lastSize === 0) this.#count('conflationUnknown');
    }

    const isPending = rise > 0 && price === 0;
    if (isReset) this.#count('resets');
    if (isPending) this.#count('unpriced');
    else if (before === undefined) this.#count('snapshots');
    else if (rise === 0 && !isReset) this.#count('quotes');
    if (volume !== undefined) {
      carried.volume = isPending ? (isReset ? 0 : carried.volume) : volume;
      carried.isRisePending = isPending;
    }
    this.#carried.set(key, carried);
    return undefined;
  }

  #ignore(name: string): void {
    this.#count('ignored');
    const countName = `ignored:${name.slice(0, 64)}`;
    const isCounted = countName in this.#counts || Object.keys(this.#counts).length < ignoredNamesMax;
    this.#count(isCounted ? countName : 'ignored:other');
  }

  #count(name: string): void {
    this.#counts[name] = (this.#counts[name] ?? 0) + 1;
  }
}

const countNames = ['messages', 'snapshots', 'quotes', 'trades', 'resets', 'unpriced', 'conflated', 'conflationUnknown', 'ignored'];

type Place = { readonly lines: LineFeed; readonly start: number; readonly out: FeedOutput };

/** Where the parts of a message and their updates are in the input, found out when one has to be rejected. */
class Entries {
  readonly out: FeedOutput;
  readonly #text: string;
  readonly #place: Place;
  #offsets: readonly Offsets[] | undefined;

  constructor(text: string, place: Place) {
    this.out = place.out;
    this.#text = text;
    this.#place = place;
  }

  /** Rejects one part of the message's data or, with `update`, one entry of its content. */
  reject(reason: LineReason, part: number, update?: number): void {
    this.#offsets ??= offsetsOf(this.#text);
    const offsets = this.#offsets[part] as Offsets;
    const { start, end } = update === undefined ? offsets : (offsets.updates[update] as Offsets);
    this.#place.lines.reject(this.out, reason, this.#place.start + start, this.#place.start + end);
  }
}

/** Byte offsets in the message. */
type Offsets = { readonly start: number; readonly end: number; readonly updates: readonly Offsets[] };

function offsetsOf(text: string): readonly Offsets[] {
  const bytesBefore = byteCounter(text);
  const data = membersOf(text).get('data')?.start as number;
  return elementsOf(text, data).map((part) => {
    const start = bytesBefore(part.start);
    const content = text[part.start] === '{' ? membersOf(text, part.start).get('content')?.start : undefined;
    const updates = content !== undefined && text[content] === '[' ? elementsOf(text, content) : [];
    const updateOffsets = updates.map((update) => ({ start: bytesBefore(update.start), end: bytesBefore(update.end), updates: [] }));
    return { start, end: bytesBefore(part.end), updates: updateOffsets };
  });
}

/** Counts the UTF-8 bytes in front of a character. Each call goes on from the last one. */
function byteCounter(text: string): (index: number) => number {
  let known = 0;
  let bytes = 0;
  return (index) => {
    bytes += Buffer.byteLength(text.slice(known, index));
    known = index;
    return bytes;
  };
}

type UpdateFields = {
  readonly key: string;
  readonly price: number | undefined;
  readonly volume: number | undefined;
  readonly lastSize: number | undefined;
  readonly tradeTimeMs: number | undefined;
};

function fieldsOf(update: Record<string, unknown>): UpdateFields | LineReason {
  const { key } = update;
  const [price, volume, lastSize, tradeTimeMs] = [field.price, field.volume, field.lastSize, field.tradeTimeMs].map(
    (name) => update[name] ?? undefined,
  );
  if (key === undefined || key === null) return 'symbol-missing';
  if (!isSymbol(key)) return 'symbol-invalid';
  if (!isNumberOrNone(price) || Math.abs(price ?? 0) > amountMax) return 'price-not-a-number';
  if (price !== undefined && price !== 0 && price < amountMin) return 'price-not-positive';
  if (!isNumberOrNone(volume) || !isNumberOrNone(lastSize)) return 'size-not-a-number';
  if (!isCount(volume ?? 0) || !isCount(lastSize ?? 0)) return 'size-not-positive';
  if (!isNumberOrNone(tradeTimeMs) || !isEventTime(tradeTimeMs ?? 0)) return 'event-time-invalid';
  return { key, price, volume, lastSize, tradeTimeMs };
}

function isNumberOrNone(value: unknown): value is number | undefined {
  return value === undefined || Number.isFinite(value);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
