import { TapelineError } from '../adapters/errors.ts';
import { HistoryError } from '../adapters/history/history.ts';
import { ConfigError } from '../core/config.ts';
import { StateUnreadable } from '../core/snapshot.ts';
import { StrategyBuildError } from '../core/strategy.ts';

/** The process's exit codes, as the contract has them. */
export const exitCodes = { done: 0, failed: 1, wrongUsage: 2, quarantined: 3, interrupted: 130 } as const;

const usageCodes = new Set(['input-not-found', 'input-is-a-directory', 'feed-unknown', 'secret-invalid']);

/** The one line that a user needs of an error, and the exit code. The stack is shown only for faults of our own. */
export function explain(error: unknown): { readonly message: string; readonly exitCode: number } {
  if (error instanceof ConfigError || error instanceof StrategyBuildError)
    return { message: error.message, exitCode: exitCodes.wrongUsage };
  if (error instanceof TapelineError)
    return { message: error.message, exitCode: usageCodes.has(error.code) ? exitCodes.wrongUsage : exitCodes.failed };
  if (error instanceof StateUnreadable || error instanceof HistoryError) return { message: error.message, exitCode: exitCodes.failed };
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (error instanceof Error && code !== undefined && /^E[A-Z]+$/.test(code))
    return { message: `${error.message}`, exitCode: exitCodes.failed };
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error), exitCode: exitCodes.failed };
}
