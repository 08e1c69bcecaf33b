import { setTimeout as delay } from 'node:timers/promises';

/** Asks again until it is so. @throws Error when it takes too long, with what it was waiting for */
export async function until(
  what: string,
  isSo: () => Promise<boolean> | boolean,
  { waitMaxMs = 60_000, everyMs = 200 }: { readonly waitMaxMs?: number; readonly everyMs?: number } = {},
): Promise<void> {
  const endMs = performance.now() + waitMaxMs;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`waited ${waitMaxMs / 1000} s in vain until ${what}`);
    await delay(everyMs);
  }
}
