import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';

/** A state as it is stored: Zstandard at its default level, which keeps a bucket of 94 symbols at a fraction of its size. */
export function packState(state: Uint8Array): Uint8Array {
  return zstdCompressSync(state);
}

/** @throws when these bytes are no packed state. */
export function unpackState(packed: Uint8Array): Uint8Array {
  return zstdDecompressSync(packed);
}
