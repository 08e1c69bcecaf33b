import type { Command } from 'commander';
import type { ListenArguments } from '../listen-command.ts';
import type { Session } from './session.ts';
import { defaultStateFolder, examples } from './shared-options.ts';

export function addListen(program: Command, session: Session): void {
  program
    .command('listen')
    .description('Receive webhooks on this machine: verify, print, drop repeats; or fail as told, to see what Tapeline does then.')
    .option('--port <n>', 'where to listen, on localhost; 0 for any free port', '8787')
    .option('--name <endpoint>', 'verify with the secrets of this endpoint in the state folder')
    .option('--secret <whsec>', 'verify with this secret; better in TAPELINE_WEBHOOK_SECRET, which no process list shows')
    .option('--state <dir>', 'the state folder', defaultStateFolder)
    .option('--fail <how>', 'answer with a status (300 to 599), or: timeout, slow, hang, reset, redirect, busy, endless')
    .option('--times <n>', 'fail so many deliveries, then take them (default: all)')
    .option('--count <n>', 'end after so many deliveries')
    .option('--json', 'print one JSON object a request (NDJSON)')
    .addHelpText(
      'after',
      examples([
        'tapeline listen --name hooks',
        'tapeline listen --name hooks --fail 503 --times 3',
        'tapeline listen --port 0 --count 1 --json',
      ]),
    )
    .action((options: ListenArguments) =>
      session.finish(import('../listen-command.ts').then(({ listenCommand }) => listenCommand(options, session))),
    );
}
