import { runOnNode24 } from './run.mjs';

const [script, ...args] = process.argv.slice(2);
runOnNode24(script, args);
