import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Adds up what the tests and the checks have reported. A tool that ended badly without naming a failure counts as one failure. */
const [folder, testsExit, localstackExit, checkExit] = process.argv.slice(2);
const parts = [
  { ...readTests('tests.json'), exit: testsExit },
  { ...readTests('localstack.json'), exit: localstackExit },
  { ...readCheck(), exit: checkExit },
];
const total = (count) => parts.reduce((sum, part) => sum + count(part), 0);
const passed = total((part) => part.passed);
const failed = total((part) => Math.max(part.failed, Number(part.exit !== '0')));
const skipped = total((part) => part.skipped);
process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
process.exit(failed === 0 && parts.every((part) => part.passed > 0) ? 0 : 1);

function readTests(file) {
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    return { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests };
  } catch (error) {
    if (error.code === 'ENOENT') return { passed: 0, failed: 0, skipped: 0 };
    throw error;
  }
}

function readCheck() {
  const [, passed, failed] = /^check: (\d+) passed, (\d+) failed$/m.exec(readFileSync(join(folder, 'check.txt'), 'utf8')) ?? [];
  return { passed: Number(passed ?? 0), failed: Number(failed ?? 0), skipped: 0 };
}
