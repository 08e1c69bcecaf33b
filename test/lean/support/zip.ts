import { readFileSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';

const endSignature = 0x06054b50;
const entrySignature = 0x02014b50;

/**
 * The only file in a ZIP archive, stored or deflated, by its central directory.
 * @see https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT sections 4.3.7, 4.3.12 and 4.3.16
 */
export function readZippedText(path: string): string {
  const bytes = readFileSync(path);
  let end = bytes.length - 22;
  while (end >= 0 && bytes.readUInt32LE(end) !== endSignature) end--;
  const entry = end < 0 ? -1 : bytes.readUInt32LE(end + 16);
  if (entry < 0 || bytes.readUInt32LE(entry) !== entrySignature) throw new Error(`"${path}" is no ZIP archive with a file in it`);
  const method = bytes.readUInt16LE(entry + 10);
  const packedLength = bytes.readUInt32LE(entry + 20);
  const local = bytes.readUInt32LE(entry + 42);
  const from = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
  const packed = bytes.subarray(from, from + packedLength);
  if (method !== 0 && method !== 8) throw new Error(`"${path}" is packed by method ${method}, expected 0 or 8`);
  return (method === 0 ? packed : inflateRawSync(packed)).toString('utf8');
}
