import { setImmediate as nextTurn } from 'node:timers/promises';
import { Command, CommanderError } from 'commander';
import { exitCodes, explain } from './exit.ts';
import { addCost } from './verbs/cost.ts';
import { addDeliveries } from './verbs/deliveries.ts';
import { addDoctor } from './verbs/doctor.ts';
import { addFeed } from './verbs/feed.ts';
import { addListen } from './verbs/listen.ts';
import { addQuery } from './verbs/query.ts';
import { addReplay } from './verbs/replay.ts';
import { addRun } from './verbs/run.ts';
import type { Session } from './verbs/session.ts';
import { addSimulate } from './verbs/simulate.ts';
import { addStart } from './verbs/start.ts';
import { addWebhook } from './verbs/webhook.ts';

const verbs = [addReplay, addRun, addStart, addSimulate, addFeed, addQuery, addListen, addWebhook, addDeliveries, addCost, addDoctor];

const sameInterruptMs = 750;
let interruptedMs = 0;
const interruption = new AbortController();
let isReaderGone = false;
let outputFailure: NodeJS.ErrnoException | undefined;

process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);
process.stdout.on('error', endOutput);
process.stderr.on('error', endOutput);
process.exitCode = await main(process.argv.slice(2));
// Standard input may still be open, and must not keep the process.
process.exit();

async function main(args: readonly string[]): Promise<number> {
  let exitCode: number = exitCodes.done;
  const program = programOf((code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    // A write that failed is told in the next turn.
    await nextTurn();
    if (outputFailure !== undefined && exitCode !== exitCodes.failed) throw outputFailure;
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.wrongUsage;
    if (isReaderGone || (error as NodeJS.ErrnoException | null)?.code === 'EPIPE') return exitCodes.done;
    if (isInterruption(error) && outputFailure === undefined) return exitCodes.interrupted;
    const explained = explain(isInterruption(error) ? outputFailure : error);
    process.stderr.write(`tapeline: ${explained.message}\n`);
    return explained.exitCode;
  }
}

/** What a command threw because it was told to end, by Ctrl-C or because its output is gone. */
function isInterruption(error: unknown): boolean {
  const { reason, aborted } = interruption.signal;
  return aborted && (error === reason || (error as Error | null)?.cause === reason);
}

/**
 * The first Ctrl-C lets the command save what it has; a second one does not wait. Under npm one Ctrl-C can come twice, from the terminal and
 * from npm, so the second counts only after a moment.
 */
function interrupt(): void {
  const nowMs = performance.now();
  if (interruption.signal.aborted && nowMs - interruptedMs > sameInterruptMs) process.exit(exitCodes.interrupted);
  if (!interruption.signal.aborted) interruptedMs = nowMs;
  interruption.abort();
}

/** The reader has seen enough, as `head` has: what was read is saved, and nobody is told. Any other failure, as of a full disk, is one. */
function endOutput(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') isReaderGone = true;
  else outputFailure ??= error;
  interruption.abort();
}

function programOf(setExitCode: (code: number) => void): Command {
  const program = new Command('tapeline')
    .description('A live tape of market trades in, buy and sell signals out. What it emits live is exactly what a replay emits.')
    .version('0.1.0')
    .exitOverride()
    .showHelpAfterError('(tapeline VERB --help shows the options)')
    .configureHelp({ helpWidth: 120 });
  const session: Session = {
    signal: interruption.signal,
    stdout: process.stdout,
    stderr: process.stderr,
    isReaderGone: () => isReaderGone,
    finish: async (work) => setExitCode(await work),
  };
  for (const addVerb of verbs) addVerb(program, session);
  return program;
}
