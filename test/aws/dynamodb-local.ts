import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { skipped } from '../skipped.ts';
import { cache, makeOnce } from './make-once.ts';

const setUp = join(import.meta.dirname, 'dynamodb-local');
const startMaxMs = 60_000;

export type DynamoDbLocal =
  | { readonly kind: 'running'; readonly endpoint: string; readonly stop: () => void }
  | { readonly kind: 'missing'; readonly reason: string };

/** Starts Amazon's DynamoDB Local, in memory and on this machine only. `missing` where it cannot be set up, which fails on CI. */
export async function startDynamoDbLocal(): Promise<DynamoDbLocal> {
  try {
    const java = spawn('java', javaArguments(), { stdio: ['ignore', 'pipe', 'pipe'] });
    return { kind: 'running', endpoint: await endpointOf(java), stop: () => java.kill('SIGKILL') };
  } catch (error) {
    if (!(error instanceof DynamoDbLocalMissing)) throw error;
    skipped('the tests on DynamoDB Local', error.message);
    return { kind: 'missing', reason: error.message };
  }
}

/** There is no Java or no Maven, or Maven cannot reach its repository. */
class DynamoDbLocalMissing extends Error {
  override readonly name = 'DynamoDbLocalMissing';
}

/**
 * What `java` is to run; the first time, Maven copies it into the cache folder. Options of DynamoDB Local may follow; without a port it
 * takes a free one.
 * @throws DynamoDbLocalMissing
 */
export function javaArguments(): string[] {
  if (!run('java', ['-version'])) throw new DynamoDbLocalMissing('it needs Java 17 or newer');
  const home = join(cache, 'dynamodb-local', digestOf(['pom.xml', 'LoopbackDynamoDb.java']));
  if (!existsSync(home)) {
    if (!run('javac', ['-version'])) throw new DynamoDbLocalMissing('it needs a JDK to be set up');
    if (!run('mvn', ['-version'])) throw new DynamoDbLocalMissing('it comes from Maven, which is not installed');
    makeOnce(home, make);
  }
  // Only a light compiler: what runs for seconds is not worth the heavy one's work.
  return ['-XX:TieredStopAtLevel=1', '-cp', `${join(home, 'classes')}${delimiter}${join(home, 'jars', '*')}`, 'LoopbackDynamoDb'];
}

function digestOf(files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(join(setUp, file)));
  return hash.digest('hex').slice(0, 16);
}

function run(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function make(folder: string): void {
  const jars = join(folder, 'jars');
  const isMade =
    run('mvn', ['-q', '-B', '-f', join(setUp, 'pom.xml'), 'dependency:copy-dependencies', `-DoutputDirectory=${jars}`]) &&
    run('javac', ['-cp', join(jars, '*'), '-d', join(folder, 'classes'), join(setUp, 'LoopbackDynamoDb.java')]);
  if (!isMade) throw new DynamoDbLocalMissing('Maven could not fetch it');
}

function endpointOf(java: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    const timer = setTimeout(() => fail(`said nothing for ${startMaxMs} ms`), startMaxMs);
    const fail = (what: string) => {
      clearTimeout(timer);
      java.kill('SIGKILL');
      reject(new Error(`DynamoDB Local ${what}: ${output}`));
    };
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      const endpoint = /^listening on (\S+)$/m.exec(output)?.[1];
      if (endpoint === undefined) return;
      clearTimeout(timer);
      resolve(endpoint);
    };
    java.stdout?.on('data', read);
    java.stderr?.on('data', read);
    java.on('error', (error) => fail(`did not start (${error.message})`));
    java.on('exit', (code) => fail(`ended with ${code}`));
  });
}
