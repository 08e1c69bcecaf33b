import { readFileSync, writeSync } from 'node:fs';

/** Loaded in front of a program: says on file descriptor 3, when the program ends, how many MB it had resident at the most. */
process.on('exit', () => writeSync(3, peakMb().toFixed(1)));

/** On Linux the peak that a process is told of itself is that of its parent too, if that was higher. */
function peakMb(): number {
  const { maxRSS } = process.resourceUsage();
  if (process.platform !== 'linux') return maxRSS / 1_000;
  const peakKb = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Number(peakKb ?? maxRSS) / 1_000;
}
