import { TapelineError } from '../adapters/errors.ts';
import { ConfigError } from '../core/config.ts';
import { StateUnreadable } from '../core/snapshot.ts';
import { StrategyBuildError } from '../core/strategy.ts';

/** The process's exit codes, as the contract has them. */
export const exitCodes = { done: 0, failed: 1, wrongUsage: 2, quarantined: 3, interrupted: 130 } as const;

const usageCodes = new Set(['input-not-found', 'input-is-a-directory', 'feed-unknown', 'secret-invalid', 'history-missing']);

/** The one line that a user needs of an error, and the exit code. The stack is shown only for faults of our own. */
export function explain(error: unknown): { readonly message: string; readonly exitCode: number } {
  if (error instanceof ConfigError || error instanceof StrategyBuildError)
    return { message: error.message, exitCode: exitCodes.wrongUsage };
  if (error instanceof TapelineError)
    return { message: error.message, exitCode: usageCodes.has(error.code) ? exitCodes.wrongUsage : exitCodes.failed };
  if (error instanceof StateUnreadable) return { message: error.message, exitCode: exitCodes.failed };
  const { code, errcode } = (error ?? {}) as NodeJS.ErrnoException & { readonly errcode?: number };
  if (error instanceof Error && code === 'ERR_SQLITE_ERROR')
    return {
      message: `the state folder cannot be used: ${withAdvice(error, sqliteAdvice[(errcode ?? 0) & 0xff])}`,
      exitCode: exitCodes.failed,
    };
  if (error instanceof Error && code !== undefined && /^E[A-Z]+$/.test(code))
    return { message: withAdvice(error, advice[code]), exitCode: exitCodes.failed };
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error), exitCode: exitCodes.failed };
}

function withAdvice({ message }: Error, what: string | undefined): string {
  return what === undefined ? message : `${message}; ${what}`;
}

const makeRoom = 'make room, and start the same command again';
const checkMode = 'check its owner and mode, or give another path';
const checkPath = 'check the path';

/** What to do, by the code of the system's error. */
const advice: Readonly<Record<string, string>> = {
  ENOSPC: makeRoom,
  EDQUOT: makeRoom,
  EACCES: checkMode,
  EPERM: checkMode,
  EROFS: checkMode,
  ENOENT: checkPath,
  ENOTDIR: checkPath,
  EISDIR: checkPath,
  EEXIST: checkPath,
};

/** The same by SQLite's primary result code. @see https://sqlite.org/rescode.html */
const sqliteAdvice: Readonly<Record<number, string>> = {
  8: checkMode,
  10: 'check that it can be written, and that its disk is well',
  11: 'a file in it is damaged: bring the folder back from a copy, or give another --state',
  13: makeRoom,
  14: checkMode,
  26: 'a file in it is damaged: bring the folder back from a copy, or give another --state',
};
