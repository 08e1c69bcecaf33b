import { execFile, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeProject, root, writeFile } from './project.ts';

type Lock = { packages: Record<string, { version?: string; resolved?: string; optionalDependencies?: Record<string, string> }> };

const lockText = readFileSync(join(root, 'package-lock.json'), 'utf8');
const lock: Lock = JSON.parse(lockText);
const packages = Object.entries(lock.packages).filter(([path]) => path !== '');

describe('package-lock.json', () => {
  it('names no host to fetch from', () => {
    expect(packages.length).toBeGreaterThan(50);
    expect(lockText).not.toContain('"resolved"');
  });

  it('has every optional package of every platform; if not, run node bin/complete-lock.mjs', () => {
    const named = Object.values(lock.packages).flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies));
    expect(named.filter((name) => lock.packages[`node_modules/${name}`]?.version === undefined)).toEqual([]);
  });

  it('pins each package that we name to one version', () => {
    const { dependencies, devDependencies, optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const versions = Object.values<string>({ ...dependencies, ...devDependencies, ...optionalDependencies });
    expect(versions.filter((version) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
  });
});

describe('node_modules is taken for installed', () => {
  const wanted = {
    '': {},
    'node_modules/a': { version: '1.0.0' },
    'node_modules/b-win': { version: '2.0.0', optional: true, os: ['win32'] },
  };
  const a = { version: '1.0.0' };

  it.each<[string, object | undefined, boolean]>([
    ['when every package is there', { 'node_modules/a': a, 'node_modules/b-win': { version: '2.0.0' } }, true],
    ['when only an optional one lacks', { 'node_modules/a': a }, true],
    ['when there is one more', { 'node_modules/a': a, 'node_modules/c': a }, true],
    ['not when npm has not finished', undefined, false],
    ['not when a package lacks', {}, false],
    ['not when a package has another version', { 'node_modules/a': { version: '1.0.1' } }, false],
    ['not when an optional one has another version', { 'node_modules/a': a, 'node_modules/b-win': { version: '2.0.1' } }, false],
    ['not when it comes from another system', { 'node_modules/a': a, 'node_modules/b-win': { version: '2.0.0', os: ['win32'] } }, false],
    ['not when it comes from another processor', { 'node_modules/a': { ...a, cpu: ['arm64'] } }, false],
    ['when a package excludes some other system', { 'node_modules/a': { ...a, os: ['!win32'] } }, true],
  ])('%s', (_, packages, expected) => {
    expect(isInstalled({ wanted, installed: packages && { packages } })).toBe(expected);
  });
});

describe('the set-up', () => {
  const npm = `
    const { appendFileSync, mkdirSync, rmSync, writeFileSync } = require('node:fs');
    appendFileSync('installs', 'begin ');
    rmSync('node_modules', { recursive: true, force: true });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
    mkdirSync('node_modules/a', { recursive: true });
    writeFileSync('node_modules/.package-lock.json', JSON.stringify({ packages: { 'node_modules/a': { version: '1.0.0' } } }));
    appendFileSync('installs', 'end ');`;
  let project: string;
  const start = () =>
    promisify(execFile)(process.execPath, ['bin/with-node.mjs', 'hello.mjs'], {
      cwd: project,
      env: { PATH: process.env['PATH'], npm_execpath: join(project, 'npm.js'), npm_node_execpath: process.execPath },
    });
  const installs = () => readFileSync(join(project, 'installs'), 'utf8');

  beforeEach(() => {
    const lockFile = JSON.stringify({ packages: { '': {}, 'node_modules/a': { version: '1.0.0' } } });
    const written = { 'package.json': '{}', 'package-lock.json': lockFile, 'npm.js': npm, 'hello.mjs': `console.log('hello')` };
    project = makeProject({ copied: ['bin', 'local/orphan.ts'], written });
  });
  afterEach(() => rmSync(project, { recursive: true, force: true }));

  it('is done once when several commands are the first at the same time', async () => {
    const started = await Promise.all([start(), start(), start()]);
    expect(started.map(({ stdout }) => stdout)).toEqual(['hello\n', 'hello\n', 'hello\n']);
    expect(installs()).toBe('begin end ');
    expect(readdirSync(project).filter((name) => name.startsWith('.installing'))).toEqual([]);
  });

  it('is done again where folders of the list are missing, and after a start that was killed in it', async () => {
    await start();
    await start();
    expect(installs()).toBe('begin end ');
    rmSync(join(project, 'node_modules', 'a'), { recursive: true });
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    writeFile(project, '.installing', String(pid));
    await start();
    expect(installs()).toBe('begin end begin end ');
  });

  it('does not wait for a lock with its own number, which a container leaves that is started again', () => {
    const code = `import { writeFileSync } from 'node:fs';
      import { alone } from './bin/alone.mjs';
      writeFileSync('lock', String(process.pid));
      alone('lock', () => console.log('done'));`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      cwd: project,
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect([stdout, stderr]).toEqual(['done\n', '']);
    expect(readdirSync(project).filter((name) => name.startsWith('lock'))).toEqual([]);
  });
});

/** The launchers are plain JavaScript without types, so they are asked through a process. */
function isInstalled({ wanted, installed }: { wanted: object; installed: object | undefined }): boolean {
  const code = `import { isInstalled } from './bin/setup.mjs';
    const [wanted, installed] = JSON.parse(process.argv[1]);
    console.log(isInstalled({ packages: wanted }, installed ?? undefined, { platform: 'linux', arch: 'x64' }));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code, JSON.stringify([wanted, installed ?? null])], {
    cwd: root,
    encoding: 'utf8',
  });
  if (stderr !== '') throw new Error(stderr);
  return stdout === 'true\n';
}
