/**
 * Says that tests are skipped, and what they lack. On CI nothing may be lacking: a run that has skipped them would be taken for one that they have
 * passed.
 */
export function skipped(tests: string, lack: string): void {
  if (process.env['CI'] === 'true') throw new Error(`${tests} cannot be run, and CI skips none: ${lack}`);
  console.warn(`skipped: ${tests} (${lack})`);
}
