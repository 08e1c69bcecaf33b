import { writeSync } from 'node:fs';

/** Loaded in front of a program: says on file descriptor 3, when the program ends, how many MB it had resident at the most. */
process.on('exit', () => writeSync(3, (process.resourceUsage().maxRSS / 1_000).toFixed(1)));
