/** Numbers texts by their bytes, from 0 up: a hash table that compares bytes, so that a known text costs no string. */
export class ByteTable {
  count = 0;
  /** Text number + 1 by hash, 0 where free; a power of two long and at most half full. */
  #slots = new Int32Array(1024);
  #hashes = new Int32Array(512);
  /** Where in `texts` each text starts; the next one's start is its end. */
  #starts = new Int32Array(513);
  #texts = new Uint8Array(4096);

  /** The number of a text, -1 if it has none. @param hash what `hashByte` makes of all its bytes */
  find(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = spread(hash) & mask; ; slot = (slot + 1) & mask) {
      const number = (slots[slot] as number) - 1;
      if (number < 0) return -1;
      if (this.#hashes[number] === hash && this.#equals(number, bytes, start, end)) return number;
    }
  }

  /** Gives the next number to a text that `find` did not know. */
  add(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const number = this.count;
    if (number === this.#hashes.length) this.#grow();
    const textAt = this.#starts[number] as number;
    const textEnd = textAt + end - start;
    if (textEnd > this.#texts.length) this.#texts = resized(new Uint8Array(textEnd * 2), this.#texts);
    this.#texts.set(bytes.subarray(start, end), textAt);
    this.#starts[number + 1] = textEnd;
    this.#hashes[number] = hash;
    this.#enter(number);
    this.count = number + 1;
    return number;
  }

  #equals(number: number, bytes: Uint8Array, start: number, end: number): boolean {
    const textAt = this.#starts[number] as number;
    const length = end - start;
    if ((this.#starts[number + 1] as number) - textAt !== length) return false;
    const texts = this.#texts;
    for (let i = 0; i < length; i++) if (texts[textAt + i] !== bytes[start + i]) return false;
    return true;
  }

  #enter(number: number): void {
    const mask = this.#slots.length - 1;
    let slot = spread(this.#hashes[number] as number) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = number + 1;
  }

  #grow(): void {
    const capacity = this.#hashes.length * 2;
    this.#hashes = resized(new Int32Array(capacity), this.#hashes);
    this.#starts = resized(new Int32Array(capacity + 1), this.#starts);
    this.#slots = new Int32Array(capacity * 2);
    for (let number = 0; number < this.count; number++) this.#enter(number);
  }
}

export const hashSeed = 0x811c9dc5 | 0;

/** Takes one more byte into a hash (FNV-1a). */
export function hashByte(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x01000193);
}

/** The low bits of FNV alone cluster on short texts. */
function spread(hash: number): number {
  return hash ^ (hash >>> 15);
}

function resized<T extends Int32Array | Uint8Array>(to: T, from: T): T {
  to.set(from);
  return to;
}
