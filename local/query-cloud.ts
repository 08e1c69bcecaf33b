import { AthenaHistory } from '../adapters/history/athena.ts';
import type { History } from '../adapters/history/history.ts';
import { TimestreamQueries } from '../adapters/history/timestream-query.ts';
import { StackError, stackOutput } from '../adapters/stack-output.ts';
import { ConfigError } from '../core/config.ts';
import { defaultStack } from './stream-name.ts';

export type CloudHistory = 'athena' | 'timestream';

export type CloudHistoryOptions = {
  readonly on: CloudHistory;
  readonly stack?: string;
  readonly database?: string;
  readonly workGroup?: string;
};

/** The history of a deployment of this account and region. What is not named is asked of its stack. @throws ConfigError */
export async function openCloudHistory({
  on,
  stack = defaultStack,
  database,
  workGroup,
}: CloudHistoryOptions): Promise<Pick<History, 'query'>> {
  const named = database ?? (await outputOf(stack, 'HistoryDatabase', '--database'));
  if (on === 'timestream') return new TimestreamQueries({ database: named });
  return new AthenaHistory({ database: named, workGroup: workGroup ?? (await outputOf(stack, 'HistoryWorkGroup', '--work-group')) });
}

async function outputOf(stack: string, output: string, option: string): Promise<string> {
  try {
    return await stackOutput(stack, output);
  } catch (cause) {
    if (!(cause instanceof StackError)) throw cause;
    const hint = `deploy it with that history, or name another with --stack, or give ${option}`;
    throw new ConfigError(`${cause.message}; ${hint}`, { cause });
  }
}
