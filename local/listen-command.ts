import { SecretsFile } from '../adapters/delivery/secrets-file.ts';
import { shortText } from '../adapters/delivery/short-text.ts';
import { checkSigningSecret } from '../adapters/delivery/standard-webhooks.ts';
import { ConfigError } from '../core/config.ts';
import { exitCodes } from './exit.ts';
import { failureOf, type Heard, listen, type ListenOptions } from './listen.ts';
import { numberOf } from './options.ts';
import { secretsPath } from './state-folder.ts';
import type { Session } from './verbs/session.ts';

export type ListenArguments = {
  readonly port: string;
  readonly secret?: string;
  readonly name?: string;
  readonly state: string;
  readonly fail?: string;
  readonly times?: string;
  readonly count?: string;
  readonly json?: boolean;
};

/** Listens until Ctrl-C, or until so many deliveries have come. Returns the exit code. */
export async function listenCommand(args: ListenArguments, session: Session, env = process.env): Promise<number> {
  const { stdout, stderr, signal } = session;
  const secrets = await secretsOf(args, env);
  const wanted = args.count === undefined ? Number.POSITIVE_INFINITY : numberOf('--count', args.count, { least: 1, isWhole: true });
  let received = 0;
  const isEnough = Promise.withResolvers<void>();
  const listener = await listen({
    port: numberOf('--port', args.port, { least: 0, most: 65_535, isWhole: true }),
    secrets,
    fail: args.fail === undefined ? undefined : failureOf(args.fail),
    failTimes: args.times === undefined ? undefined : numberOf('--times', args.times, { least: 0, isWhole: true }),
    onHeard: (heard) => {
      stdout.write(args.json ? `${JSON.stringify(heard)}\n` : textOf(heard));
      if (heard.kind === 'received' && ++received >= wanted) isEnough.resolve();
    },
  });
  const how = secrets === undefined ? 'without looking at signatures (give --name or --secret)' : 'verifying signatures';
  stderr.write(`listen: ${listener.url}, ${how}; Ctrl-C ends\n`);
  signal.addEventListener('abort', () => isEnough.resolve());
  if (!signal.aborted) await isEnough.promise;
  await listener.close();
  return signal.aborted && !session.isReaderGone() ? exitCodes.interrupted : exitCodes.done;
}

/** What deliveries are verified with; undefined when nothing is given. */
async function secretsOf({ secret, name, state }: ListenArguments, env: NodeJS.ProcessEnv): Promise<ListenOptions['secrets']> {
  const given = secret ?? (name === undefined ? env['TAPELINE_WEBHOOK_SECRET'] : undefined);
  if (given !== undefined) {
    checkSigningSecret(given);
    return async () => [given];
  }
  if (name === undefined) return undefined;
  const store = new SecretsFile(secretsPath(state));
  if ((await store.read(name)).length > 0) return () => store.read(name);
  throw new ConfigError(`there is no secret for "${name}" in "${state}": make one with "tapeline webhook secret ${name}"`);
}

function textOf(heard: Heard): string {
  switch (heard.kind) {
    case 'received': {
      const lines = heard.events.map((event) => `  ${shortText(JSON.stringify(event), 600)}\n`);
      return `received ${shortText(heard.id)}${heard.isVerified ? '' : ' (not verified)'}\n${lines.join('')}`;
    }
    case 'repeat':
      return `repeat   ${shortText(heard.id)}\n`;
    case 'failed':
      return `failed   ${shortText(heard.id)}, as told\n`;
    case 'refused':
      return `refused  ${heard.reason}\n`;
  }
}
