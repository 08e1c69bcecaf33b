import { ConfigError } from '../core/config.ts';

export type StreamOptions = {
  readonly stream?: string;
  readonly stack?: string;
};

export const defaultStack = 'Tapeline';
const output = 'TapeStream';

/** The stream that is meant: of the command line, else of TAPELINE_STREAM, else of the deployed stack's output. @throws ConfigError */
export async function streamNameFor({ stream, stack = defaultStack }: StreamOptions, env: NodeJS.ProcessEnv): Promise<string> {
  const named = stream ?? (env['TAPELINE_STREAM'] || undefined) ?? (await deployedStream(stack));
  if (/^[\w.-]{1,128}$/.test(named)) return named;
  throw new ConfigError(`a stream's name has up to 128 letters, digits, "_", "." or "-", received "${named}"`);
}

async function deployedStream(StackName: string): Promise<string> {
  const { CloudFormationClient, DescribeStacksCommand } = await import('@aws-sdk/client-cloudformation');
  const client = new CloudFormationClient();
  const instead = 'name a stream with --stream or TAPELINE_STREAM';
  try {
    const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName }));
    const name = Stacks[0]?.Outputs?.find(({ OutputKey }) => OutputKey === output)?.OutputValue;
    if (name !== undefined) return name;
    throw new ConfigError(`the stack "${StackName}" has no output "${output}"; deploy it with "npx cdk deploy", or ${instead}`);
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    const { name, message } = cause as Error;
    const what = /does not exist/.test(message)
      ? `there is no stack "${StackName}" here`
      : `the stack "${StackName}" cannot be asked (${name}: ${message})`;
    throw new ConfigError(`${what}; deploy it with "npx cdk deploy", or ${instead}`, { cause });
  } finally {
    client.destroy();
  }
}
