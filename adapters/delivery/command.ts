import { type ChildProcess, spawn } from 'node:child_process';
import type { Outcome } from '../../core/outcome.ts';
import { shortText } from './short-text.ts';

export type CommandDelivery = {
  /** The program and its arguments; no shell reads them. */
  readonly command: readonly string[];
  readonly deliveryId: string;
  /** NDJSON. */
  readonly input: string;
  readonly timeoutMs: number;
};

const killAfterMs = 1_000;
const keptCharacters = 1_000;

/**
 * Starts a program, gives it the delivery on standard input and waits for its end: exit code 0 is success, whether it has read all or not.
 * A program that takes too long is ended, with all that it has started.
 * @throws what `signal` was aborted with
 */
export async function deliverToCommand({ command, deliveryId, input, timeoutMs }: CommandDelivery, signal: AbortSignal): Promise<Outcome> {
  signal.throwIfAborted();
  const [file, ...args] = command as [string, ...string[]];
  const isGrouped = process.platform !== 'win32';
  const env = { ...process.env, TAPELINE_DELIVERY_ID: deliveryId };
  let child: ChildProcess;
  try {
    child = spawn(file, args, { shell: false, detached: isGrouped, windowsHide: true, env, stdio: ['pipe', 'ignore', 'pipe'] });
  } catch (error) {
    return { kind: 'refused', reason: shortText(`the command cannot be started: ${(error as Error).message}`) };
  }
  const said = beginningOf(child);
  // A program may end without reading, which is no failure.
  child.stdin?.on('error', () => undefined).end(input);
  const timeout = AbortSignal.timeout(timeoutMs);
  const stop = endWhenAborted(child, AbortSignal.any([signal, timeout]), isGrouped);
  const ending = await endOf(child);
  stop();
  signal.throwIfAborted();
  if (ending instanceof Error) return { kind: 'failed', reason: shortText(`the command cannot be started: ${ending.message}`) };
  if (timeout.aborted) return { kind: 'failed', reason: `the command had not ended after ${timeoutMs} ms` };
  return ending === 0 ? { kind: 'delivered' } : { kind: 'failed', reason: shortText(`the command ended with ${ending}: ${said()}`) };
}

/** Its exit code, the signal that ended it, or why it never began. */
function endOf(child: ChildProcess): Promise<number | string | Error> {
  return new Promise((done) => {
    child.on('error', done);
    // Not `close`: what it has started may keep its output open.
    child.on('exit', (code, signal) => done(code ?? signal ?? 'no exit code'));
  });
}

function beginningOf(child: ChildProcess): () => string {
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (part: string) => {
    if (text.length < keptCharacters) text += part;
  });
  return () => text;
}

/** First asks it to end, then ends it. */
function endWhenAborted(child: ChildProcess, signal: AbortSignal, isGrouped: boolean): () => void {
  let timer: NodeJS.Timeout | undefined;
  const end = () => {
    kill('SIGTERM');
    timer = setTimeout(() => kill('SIGKILL'), killAfterMs);
  };
  signal.addEventListener('abort', end);
  return () => {
    signal.removeEventListener('abort', end);
    clearTimeout(timer);
    child.stderr?.destroy();
    // What it has started and left behind after its time goes too.
    if (signal.aborted) kill('SIGKILL');
  };

  function kill(name: NodeJS.Signals): void {
    try {
      if (isGrouped && child.pid !== undefined) process.kill(-child.pid, name);
      else child.kill(name);
    } catch {
      // Nobody of them is left.
    }
  }
}
