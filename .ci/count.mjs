import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Adds up what the tests and the checks have reported. A tool that ended badly without naming a failure counts as one failure. */
const [folder, testsExit, checkExit] = process.argv.slice(2);
const tests = readTests();
const check = readCheck();
const passed = tests.passed + check.passed;
const failed = Math.max(tests.failed, Number(testsExit !== '0')) + Math.max(check.failed, Number(checkExit !== '0'));
process.stdout.write(`${passed} passed, ${failed} failed${tests.skipped > 0 ? `, ${tests.skipped} skipped` : ''}\n`);
process.exit(failed === 0 && tests.passed > 0 ? 0 : 1);

function readTests() {
  const none = { passed: 0, failed: 0, skipped: 0 };
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(readFileSync(join(folder, 'tests.json'), 'utf8'));
    return { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests };
  } catch (error) {
    if (error.code === 'ENOENT') return none;
    throw error;
  }
}

function readCheck() {
  const [, passed, failed] = /^check: (\d+) passed, (\d+) failed$/m.exec(readFileSync(join(folder, 'check.txt'), 'utf8')) ?? [];
  return { passed: Number(passed ?? 0), failed: Number(failed ?? 0) };
}
