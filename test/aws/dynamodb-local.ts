import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

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
  const home = join(cache, digestOf(['pom.xml', 'LoopbackDynamoDb.java']));
  const reason = run('java', ['-version']) ? setUpOnce(home) : 'it needs Java 17 or newer';
  if (reason !== undefined) {
    console.warn(`skipped: the tests on DynamoDB Local (${reason})`);
    return { kind: 'missing', reason };
  }
  // Only a light compiler: what runs for seconds is not worth the heavy one's work.
  const java = spawn(
    'java',
    ['-XX:TieredStopAtLevel=1', '-cp', `${join(home, 'classes')}${delimiter}${join(home, 'jars', '*')}`, 'LoopbackDynamoDb'],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const endpoint = await endpointOf(java);
  return { kind: 'running', endpoint, stop: () => java.kill('SIGKILL') };
}

/** Why it cannot be set up, if it is not. Of several test files one does it, and the others wait: a lock goes with its process. */
function setUpOnce(home: string): string | undefined {
  if (existsSync(home)) return undefined;
  if (!run('javac', ['-version'])) return 'it needs a JDK to be set up';
  if (!run('mvn', ['-version'])) return 'it comes from Maven, which is not installed';
  mkdirSync(cache, { recursive: true });
  const lock = new DatabaseSync(join(cache, 'lock'), { timeout: 300_000 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return existsSync(home) || setUpIn(home) ? undefined : 'Maven could not fetch it';
  } finally {
    lock.close();
  }
}

function digestOf(files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(join(setUp, file)));
  return hash.digest('hex').slice(0, 16);
}

function run(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** In a folder of its own first: what has the final name is whole. */
function setUpIn(home: string): boolean {
  const folder = mkdtempSync(`${home}.`);
  const jars = join(folder, 'jars');
  try {
    if (!run('mvn', ['-q', '-B', '-f', join(setUp, 'pom.xml'), 'dependency:copy-dependencies', `-DoutputDirectory=${jars}`])) return false;
    if (!run('javac', ['-cp', join(jars, '*'), '-d', join(folder, 'classes'), join(setUp, 'LoopbackDynamoDb.java')])) return false;
    renameSync(folder, home);
    return true;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
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
