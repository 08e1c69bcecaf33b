import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

const lockPollMs = 200;

/** Does the work when no other process does, of those that take the same file for the lock; one that a killed process has left is taken away. */
export function alone(lock, work) {
  for (let isTold = false; !take(lock); ) {
    const pid = readPid(lock);
    // One with our own number is left from another time, as of a container that is started again.
    if (pid === process.pid || (pid !== undefined && !isRunning(pid))) {
      takeAway(lock, pid);
      continue;
    }
    if (!isTold) process.stderr.write(`tapeline: another start installs packages, waiting for it; if there is none, delete "${lock}"\n`);
    isTold = true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lockPollMs);
  }
  try {
    work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function take(lock) {
  try {
    // In place with its content, so that nobody finds one without.
    writeFileSync(`${lock}-${process.pid}`, String(process.pid));
    linkSync(`${lock}-${process.pid}`, lock);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(`${lock}-${process.pid}`, { force: true });
  }
}

/** Another may have done so before us, and have a lock of its own there by now: that one is put back. */
function takeAway(lock, pid) {
  const aside = `${lock}-${process.pid}`;
  try {
    renameSync(lock, aside);
    if (readPid(aside) !== pid) linkSync(aside, lock);
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function readPid(lock) {
  try {
    return Number(readFileSync(lock, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function isRunning(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}
