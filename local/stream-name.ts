import { ConfigError } from '../core/config.ts';

export type StreamOptions = {
  readonly stream?: string;
  readonly stack?: string;
};

export const defaultStack = 'Tapeline';

/** The stream that is meant: of the command line, else of TAPELINE_STREAM, else of the deployed stack's output. @throws ConfigError */
export async function streamNameFor({ stream, stack = defaultStack }: StreamOptions, env: NodeJS.ProcessEnv): Promise<string> {
  const named = stream ?? (env['TAPELINE_STREAM'] || undefined) ?? (await deployedStream(stack));
  if (/^[\w.-]{1,128}$/.test(named)) return named;
  throw new ConfigError(`a stream's name has up to 128 letters, digits, "_", "." or "-", received "${named}"`);
}

async function deployedStream(stack: string): Promise<string> {
  const { StackError, stackOutput } = await import('../adapters/stack-output.ts');
  try {
    return await stackOutput(stack, 'TapeStream');
  } catch (cause) {
    if (!(cause instanceof StackError)) throw cause;
    throw new ConfigError(`${cause.message}; deploy it with "npx cdk deploy", or name a stream with --stream or TAPELINE_STREAM`, {
      cause,
    });
  }
}
