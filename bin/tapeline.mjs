#!/usr/bin/env node
import { runOnNode24 } from './run.mjs';

runOnNode24('local/cli.ts', process.argv.slice(2));
