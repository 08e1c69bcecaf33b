import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { InputError } from '../errors.ts';

/** How a file begins, as it lies on the disk: tells one that has grown from another one under its name. */
export type FileHead = { readonly bytes: number; readonly sha256: string };

const headBytesMax = 65_536;

/** Undefined for what is no file that can be read twice: standard input, a pipe. A file that is not there is told when it is read. */
export async function headOf(path: string, bytesMax = headBytesMax): Promise<FileHead | undefined> {
  const stats = await stat(path).catch(() => undefined);
  // Who opens a pipe, and leaves it, ends what writes to it.
  if (!stats?.isFile()) return undefined;
  const file = await open(path);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(bytesMax), 0, bytesMax, 0);
    return { bytes: bytesRead, sha256: createHash('sha256').update(buffer.subarray(0, bytesRead)).digest('hex') };
  } finally {
    await file.close();
  }
}

/** @throws InputError `input-replaced` when the file no longer begins as it did: where it was read to says nothing then */
export async function checkHead(path: string, before: FileHead): Promise<void> {
  const now = await headOf(path, before.bytes);
  if (now === undefined || now.sha256 === before.sha256) return;
  throw new InputError(
    `input "${path}" is not the file that was read before under this name: its first ${before.bytes} bytes are others; give it a name of its own, or another --state`,
    { code: 'input-replaced' },
  );
}
