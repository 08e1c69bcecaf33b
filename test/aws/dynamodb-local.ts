import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

const setUp = join(import.meta.dirname, 'dynamodb-local');
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'tapeline', 'dynamodb-local');
const startMaxMs = 60_000;

export type DynamoDbLocal =
  | { readonly kind: 'running'; readonly endpoint: string; readonly stop: () => void }
  | { readonly kind: 'missing'; readonly reason: string };

/**
 * Starts Amazon's DynamoDB Local, in memory and on this machine only; the first time, Maven copies it into the cache folder.
 * `missing` where there is no Java or no Maven, or where Maven cannot reach its repository.
 */
export async function startDynamoDbLocal(): Promise<DynamoDbLocal> {
  if (!run('java', ['-version'])) return { kind: 'missing', reason: 'DynamoDB Local needs Java 17 or newer' };
  const home = join(cache, digestOf(['pom.xml', 'LoopbackDynamoDb.java']));
  if (!existsSync(home)) {
    if (!run('javac', ['-version'])) return { kind: 'missing', reason: 'DynamoDB Local needs a JDK to be set up' };
    if (!run('mvn', ['-version'])) return { kind: 'missing', reason: 'DynamoDB Local comes from Maven, which is not installed' };
    if (!install(home)) return { kind: 'missing', reason: 'Maven could not fetch DynamoDB Local' };
  }
  // Only a light compiler: what runs for seconds is not worth the heavy one's work.
  const java = spawn(
    'java',
    ['-XX:TieredStopAtLevel=1', '-cp', `${join(home, 'classes')}${delimiter}${join(home, 'jars', '*')}`, 'LoopbackDynamoDb'],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      // It leaves a file where it runs.
      cwd: home,
    },
  );
  const endpoint = await endpointOf(java);
  return { kind: 'running', endpoint, stop: () => java.kill('SIGKILL') };
}

function digestOf(files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(join(setUp, file)));
  return hash.digest('hex').slice(0, 16);
}

function run(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** Into a folder of its own first: what has the final name is whole, whoever else installs at the same time. */
function install(home: string): boolean {
  mkdirSync(dirname(home), { recursive: true });
  const folder = mkdtempSync(`${home}.`);
  const jars = join(folder, 'jars');
  try {
    if (!run('mvn', ['-q', '-B', '-f', join(setUp, 'pom.xml'), 'dependency:copy-dependencies', `-DoutputDirectory=${jars}`])) return false;
    if (!run('javac', ['-cp', join(jars, '*'), '-d', join(folder, 'classes'), join(setUp, 'LoopbackDynamoDb.java')])) return false;
    renameSync(folder, home);
  } catch (error) {
    if (!existsSync(home)) throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return true;
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
