type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;

/** A longer column with the values of a shorter one at its start. */
export function grown<T extends Column>(to: T, from: T): T {
  to.set(from);
  return to;
}
