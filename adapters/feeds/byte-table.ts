/**
 * Numbers texts by their bytes, from 0 up: a hash table that compares bytes, so that a known text costs no string.
 * Bytes are taken four at a time; the view must reach three bytes beyond a text.
 */
export class ByteTable {
  count = 0;
  /** Text number + 1 by hash, 0 where free; a power of two long and at most half full. */
  #slots = new Int32Array(1024);
  #hashes = new Int32Array(512);
  #lengths = new Int32Array(512);
  /** Where in `words` each text starts. */
  #starts = new Int32Array(512);
  #words = new Int32Array(1024);
  #wordCount = 0;

  /** The number of a text, -1 if it has none. */
  find(view: DataView, start: number, end: number): number {
    const length = end - start;
    const hash = hashOf(view, start, length);
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const number = (slots[slot] as number) - 1;
      if (number < 0) return -1;
      if (this.#hashes[number] === hash && this.#lengths[number] === length && this.#equals(number, view, start, length)) return number;
    }
  }

  /** Gives the next number to a text that `find` did not know. */
  add(view: DataView, start: number, end: number): number {
    const number = this.count;
    const length = end - start;
    if (number === this.#hashes.length) this.#grow();
    this.#hashes[number] = hashOf(view, start, length);
    this.#lengths[number] = length;
    this.#starts[number] = this.#wordCount;
    this.#keep(view, start, length);
    this.#enter(number);
    this.count = number + 1;
    return number;
  }

  #equals(number: number, view: DataView, start: number, length: number): boolean {
    const words = this.#words;
    let at = this.#starts[number] as number;
    let offset = 0;
    for (; offset + 4 <= length; offset += 4) if (words[at++] !== view.getInt32(start + offset, true)) return false;
    return offset === length || words[at] === lastWord(view, start, length);
  }

  #keep(view: DataView, start: number, length: number): void {
    const wordCount = this.#wordCount + Math.ceil(length / 4);
    if (wordCount > this.#words.length) this.#words = resized(wordCount * 2, this.#words);
    let offset = 0;
    for (; offset + 4 <= length; offset += 4) this.#words[this.#wordCount++] = view.getInt32(start + offset, true);
    if (offset < length) this.#words[this.#wordCount++] = lastWord(view, start, length);
  }

  #enter(number: number): void {
    const mask = this.#slots.length - 1;
    let slot = (this.#hashes[number] as number) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = number + 1;
  }

  #grow(): void {
    const capacity = this.#hashes.length * 2;
    this.#hashes = resized(capacity, this.#hashes);
    this.#lengths = resized(capacity, this.#lengths);
    this.#starts = resized(capacity, this.#starts);
    this.#slots = new Int32Array(capacity * 2);
    for (let number = 0; number < this.count; number++) this.#enter(number);
  }
}

function hashOf(view: DataView, start: number, length: number): number {
  let hash = length;
  let offset = 0;
  for (; offset + 4 <= length; offset += 4) hash = mixed(hash, view.getInt32(start + offset, true));
  return offset === length ? hash : mixed(hash, lastWord(view, start, length));
}

function mixed(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x9e3779b1);
  return product ^ (product >>> 15);
}

/** The one to three bytes that are left, zeros above them. */
function lastWord(view: DataView, start: number, length: number): number {
  return view.getInt32(start + (length & ~3), true) & ((1 << ((length & 3) << 3)) - 1);
}

function resized(length: number, from: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const to = new Int32Array(length);
  to.set(from);
  return to;
}
