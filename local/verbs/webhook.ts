import type { Command } from 'commander';
import type { PingOptions, RotateOptions, SecretOptions } from '../webhook.ts';
import type { Session } from './session.ts';
import { defaultStateFolder, examples } from './shared-options.ts';

export function addWebhook(program: Command, session: Session): void {
  const webhook = program
    .command('webhook')
    .description('Set up endpoints: their secrets, and whether they can be reached.')
    .exitOverride();
  webhook.addHelpText('after', examples(['tapeline webhook secret hooks', 'tapeline webhook ping hooks', 'tapeline webhook rotate hooks']));
  const load = () => import('../webhook.ts');

  withStore(webhook.command('secret'))
    .description("Show an endpoint's signing secret, making one where there is none; or set what a chat needs.")
    .argument('<name>', 'the endpoint, as the config names it')
    .option('--set', 'take the secret from standard input: a chat’s webhook address, a bot’s token, a signing secret')
    .option('--remove', 'forget it')
    .option('--config <file>', 'the config (default: tapeline.config.ts here, else the one that comes with Tapeline)')
    .addHelpText('after', examples(['tapeline webhook secret hooks', 'tapeline webhook secret alerts --set < slack-address.txt']))
    .action((name: string, options: SecretOptions) =>
      session.finish(load().then(({ secretCommand }) => secretCommand(name, options, session))),
    );

  withStore(webhook.command('rotate'))
    .description('Make a new signing secret. The old one signs too, until --finish.')
    .argument('<name>', 'the endpoint, as the config names it')
    .option('--finish', 'the receiver knows the new secret: forget the old one')
    .addHelpText('after', examples(['tapeline webhook rotate hooks', 'tapeline webhook rotate hooks --finish']))
    .action((name: string, options: RotateOptions) =>
      session.finish(load().then(({ rotateCommand }) => rotateCommand(name, options, session))),
    );

  withStore(webhook.command('ping'))
    .description('Send an event that is no signal, and say what came of it.')
    .argument('<target>', 'an endpoint of the config by name, or a URL')
    .option('--name <endpoint>', 'of a URL: whose secret signs (default: its host, with "-" for ".")')
    .option('--config <file>', 'the config (default: tapeline.config.ts here, else the one that comes with Tapeline)')
    .addHelpText('after', examples(['tapeline webhook ping hooks', 'tapeline webhook ping http://localhost:8787/ --name hooks --json']))
    .action((target: string, options: PingOptions) =>
      session.finish(load().then(({ pingCommand }) => pingCommand(target, options, session))),
    );
}

function withStore(command: Command): Command {
  return command
    .option('--state <dir>', 'the state folder, whose secrets.json holds secrets', defaultStateFolder)
    .option('--secret-id <id>', 'keep them in this secret of AWS Secrets Manager instead')
    .option('--json', 'print one JSON document')
    .exitOverride();
}
