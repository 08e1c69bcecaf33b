import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { TapelineError } from './errors.ts';

/** A deployed stack cannot be asked, or does not say what was asked. */
export class StackError extends TapelineError {
  constructor(message: string, options: { readonly code: 'stack-not-found' | 'stack-not-usable'; readonly cause?: unknown }) {
    super(message, options);
  }
}

/** What a stack of this account and region gives out under a name. @throws StackError */
export async function stackOutput(stackName: string, output: string): Promise<string> {
  const client = new CloudFormationClient();
  try {
    const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName: stackName }));
    const value = Stacks[0]?.Outputs?.find(({ OutputKey }) => OutputKey === output)?.OutputValue;
    if (value !== undefined) return value;
    throw new StackError(`the stack "${stackName}" has no output "${output}"`, { code: 'stack-not-usable' });
  } catch (cause) {
    if (cause instanceof StackError) throw cause;
    const { name, message } = cause as Error;
    if (message.includes('does not exist'))
      throw new StackError(`there is no stack "${stackName}" in this account and region`, { code: 'stack-not-found', cause });
    throw new StackError(`the stack "${stackName}" cannot be asked (${name}: ${message})`, { code: 'stack-not-usable', cause });
  } finally {
    client.destroy();
  }
}
