import type { Command } from 'commander';
import type { DeliveriesOptions } from '../deliveries.ts';
import type { Session } from './session.ts';
import { defaultStateFolder, examples } from './shared-options.ts';

export function addDeliveries(program: Command, session: Session): void {
  const deliveries = program
    .command('deliveries')
    .description(
      'See what is delivered, what waits and what was given up; send again; stop and resume an endpoint. Works while a run sends.',
    )
    .exitOverride();
  deliveries.addHelpText(
    'after',
    examples([
      'tapeline deliveries',
      'tapeline deliveries list --json',
      'tapeline deliveries retry hooks',
      'tapeline deliveries resume hooks',
    ]),
  );
  const load = () => import('../deliveries.ts');

  withState(deliveries.command('list', { isDefault: true }))
    .description('Endpoints with their state, what waits for them, and dead letters with the reason.')
    .option('--limit <n>', 'so many waiting symbols and dead letters of each endpoint', '10')
    .addHelpText('after', examples(['tapeline deliveries list', 'tapeline deliveries list --limit 1000 --json']))
    .action((options: DeliveriesOptions & { readonly limit: string }) =>
      session.finish(load().then(({ listDeliveries }) => listDeliveries(options, session))),
    );

  withState(deliveries.command('retry'))
    .description('Send dead letters again, each before what came later for its symbol.')
    .argument('[endpoint]', 'only those of this endpoint')
    .addHelpText('after', examples(['tapeline deliveries retry', 'tapeline deliveries retry hooks']))
    .action((endpoint: string | undefined, options: DeliveriesOptions) =>
      session.finish(load().then(({ retryDeliveries }) => retryDeliveries(endpoint, options, session))),
    );

  withState(deliveries.command('resume'))
    .description('Send to an endpoint that was disabled, or is down, all that waits for it now.')
    .argument('<endpoint>', 'as the config names it')
    .addHelpText('after', examples(['tapeline deliveries resume hooks']))
    .action((endpoint: string, options: DeliveriesOptions) =>
      session.finish(load().then(({ resumeEndpoint }) => resumeEndpoint(endpoint, options, session))),
    );

  withState(deliveries.command('disable'))
    .description('Send nothing more to an endpoint until it is resumed; what comes for it waits.')
    .argument('<endpoint>', 'as the config names it')
    .addHelpText('after', examples(['tapeline deliveries disable hooks']))
    .action((endpoint: string, options: DeliveriesOptions) =>
      session.finish(load().then(({ disableEndpoint }) => disableEndpoint(endpoint, options, session))),
    );
}

function withState(command: Command): Command {
  return command
    .option('--state <dir>', 'the state folder', defaultStateFolder)
    .option('--table <name>', 'of a deployment instead: its output DeliveryTable')
    .option('--config <file>', 'the config (default: tapeline.config.ts here, else the one that comes with Tapeline)')
    .option('--json', 'print one JSON document')
    .exitOverride();
}
