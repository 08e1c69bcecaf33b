/**
 * The trade ids of the windows that are still there, so that a repeat is seen for as long as it could be counted twice. The same id in
 * another window is another one: feeds begin anew each day, or sooner. Each id is two float64 keys: a whole number and 0, or 106 bits of hash of any other text (of 10^9 different texts two share them with
 * a chance below 10^-13). Entries are dense and in order of arrival; a table of indexes finds them; expired ones go when it grows.
 */
const slots = 4; // symbol, key, second key, expires at watermark

export class IdSet {
  #entries = new Float64Array(256 * slots);
  #count = 0;
  /** Pairs of the entry number + 1 (0 for a free place) and the entry's hash, which spares a look at it; a power of two, at most half full. */
  #places = new Int32Array(1024);

  /** False if the symbol has this id already, with the same end of its window. The caller drops the trade. What has expired may go. */
  add(symbol: number, key: number, secondKey: number, expiresMs: number, watermarkMs: number): boolean {
    if (this.#count * 4 >= this.#places.length) this.#rebuild(watermarkMs);
    const places = this.#places;
    const entries = this.#entries;
    const mask = places.length - 2;
    const hash = hashOf(symbol, key, secondKey, expiresMs);
    let place = hash & mask;
    for (; places[place] !== 0; place = (place + 2) & mask) {
      if (places[place + 1] !== hash) continue;
      const at = ((places[place] as number) - 1) * slots;
      if (entries[at + 1] === key && entries[at] === symbol && entries[at + 2] === secondKey && entries[at + 3] === expiresMs) return false;
    }
    places[place] = this.#append(symbol, key, secondKey, expiresMs);
    places[place + 1] = hash;
    return true;
  }

  /** The live entries, in order. */
  snapshot(watermarkMs: number): Float64Array {
    this.#dropExpired(watermarkMs);
    return this.#entries.slice(0, this.#count * slots);
  }

  static restore(entries: Float64Array): IdSet {
    const set = new IdSet();
    for (let at = 0; at < entries.length; at += slots) {
      set.add(
        entries[at] as number,
        entries[at + 1] as number,
        entries[at + 2] as number,
        entries[at + 3] as number,
        Number.NEGATIVE_INFINITY,
      );
    }
    return set;
  }

  #append(symbol: number, key: number, secondKey: number, expiresMs: number): number {
    const at = this.#count * slots;
    if (at === this.#entries.length) {
      const entries = new Float64Array(at * 2);
      entries.set(this.#entries);
      this.#entries = entries;
    }
    this.#entries[at] = symbol;
    this.#entries[at + 1] = key;
    this.#entries[at + 2] = secondKey;
    this.#entries[at + 3] = expiresMs;
    return ++this.#count;
  }

  #rebuild(watermarkMs: number): void {
    this.#compact(watermarkMs);
    let length = 1024;
    while (length < this.#count * 8) length *= 2;
    this.#index(length);
  }

  #dropExpired(watermarkMs: number): void {
    const before = this.#count;
    this.#compact(watermarkMs);
    if (this.#count !== before) this.#index(this.#places.length);
  }

  #compact(watermarkMs: number): void {
    const entries = this.#entries;
    let kept = 0;
    for (let entry = 0; entry < this.#count; entry++) {
      const at = entry * slots;
      if ((entries[at + 3] as number) <= watermarkMs) continue;
      for (let i = 0; i < slots; i++) entries[kept * slots + i] = entries[at + i] as number;
      kept++;
    }
    this.#count = kept;
  }

  #index(length: number): void {
    const places = new Int32Array(length);
    const mask = length - 2;
    const entries = this.#entries;
    for (let entry = 0; entry < this.#count; entry++) {
      const at = entry * slots;
      const hash = hashOf(entries[at] as number, entries[at + 1] as number, entries[at + 2] as number, entries[at + 3] as number);
      let place = hash & mask;
      while (places[place] !== 0) place = (place + 2) & mask;
      places[place] = entry + 1;
      places[place + 1] = hash;
    }
    this.#places = places;
  }
}

/** The two keys of a text that is no plain whole number, written into `keys`. Negative, so that no number's key meets them. */
export function textKeys(text: string, keys: Float64Array): void {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = 0xb7e15162;
  let d = 0x85a308d3;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x85ebca6b);
    b = Math.imul(b ^ unit, 0xc2b2ae35);
    c = Math.imul(c ^ unit, 0x27d4eb2f);
    d = Math.imul(d ^ unit, 0x165667b1);
    a ^= b >>> 13;
    b ^= c >>> 15;
    c ^= d >>> 16;
    d ^= a >>> 14;
  }
  keys[0] = -1 - ((mixed(a ^ (c >>> 3)) >>> 0) * 0x200000 + (mixed(b) & 0x1fffff));
  keys[1] = -1 - ((mixed(c ^ (b << 5)) >>> 0) * 0x200000 + (mixed(d) & 0x1fffff));
}

function hashOf(symbol: number, key: number, secondKey: number, expiresMs: number): number {
  const high = Math.floor(key / 0x100000000) | 0;
  return mixed(
    Math.imul(symbol, 0x9e3779b1) ^
      Math.imul(key | 0, 0x85ebca6b) ^
      Math.imul(high, 0xc2b2ae35) ^
      Math.imul(secondKey | 0, 0x27d4eb2f) ^
      Math.imul(expiresMs | 0, 0x165667b1),
  );
}

function mixed(value: number): number {
  let mix = value ^ (value >>> 16);
  mix = Math.imul(mix, 0x21f0aaad);
  mix ^= mix >>> 15;
  mix = Math.imul(mix, 0x735a2d97);
  return mix ^ (mix >>> 15);
}
