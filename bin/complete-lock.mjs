import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup.mjs';

/**
 * Adds to package-lock.json the optional packages of other platforms that it lacks. A registry that does not have them leaves a gap, and
 * `npm ci` refuses a lock file with a gap even where the package would not be installed. To be run after a change of dependencies.
 */
const path = join(root, 'package-lock.json');
const lock = JSON.parse(readFileSync(path, 'utf8'));
const gaps = gapsOf(lock.packages);
for (const { name, version, dev } of gaps) {
  lock.packages[`node_modules/${name}`] = { version, ...platformOf(name), ...(dev && { dev }), optional: true };
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')));
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`package-lock.json: ${gaps.length} added\n`);

function gapsOf(packages) {
  return Object.values(packages).flatMap(({ optionalDependencies = {}, dev }) =>
    Object.entries(optionalDependencies)
      .filter(([name]) => packages[`node_modules/${name}`] === undefined)
      .map(([name, version]) => ({ name, version, dev })),
  );
}

function platformOf(name) {
  const words = name.split(/[/-]/);
  const os = ['darwin', 'linux', 'win32', 'android', 'freebsd', 'openharmony'].filter((word) => words.includes(word));
  const cpu = ['x64', 'arm64', 'arm', 'ia32', 'ppc64', 's390x', 'riscv64', 'wasm32'].filter((word) => words.includes(word));
  if (cpu.length === 0) throw new Error(`"${name}" names no processor: add it to package-lock.json by hand`);
  const libc = name.includes('-musl') ? ['musl'] : name.includes('-gnu') ? ['glibc'] : [];
  return { cpu, ...(libc.length > 0 && { libc }), ...(os.length > 0 && { os }) };
}
