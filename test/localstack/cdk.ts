import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { root } from '../house/project.ts';

export type CdkOptions = {
  /** Where `cdk.json` is. @default this repository */
  readonly cwd?: string;
  readonly environment: Readonly<Record<string, string>>;
};

/** Runs the CDK command line as a user does. @throws Error with all that it has said */
export async function cdk(args: readonly string[], { cwd = root, environment }: CdkOptions): Promise<void> {
  const command = join(root, 'node_modules', 'aws-cdk', 'bin', 'cdk');
  const child = spawn(process.execPath, [command, ...args, '--no-notices', '--no-color'], {
    cwd,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [exitCode]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  if (exitCode !== 0) throw new Error(`cdk ${args.join(' ')} ended with ${exitCode}:\n${stdout}${stderr}`);
}
