import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { checkOutputs } from '../../local/output-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'tapeline-outputs-'));
const path = (name: string) => join(folder, name);
writeFileSync(path('trades'), '');
symlinkSync(path('trades'), path('link'));
symlinkSync(folder, path('folder'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.each([
  { outputs: { bars: path('trades') }, says: '--bars would overwrite the input' },
  { outputs: { late: path('link') }, says: '--late would overwrite the input' },
  { outputs: { late: path('folder/trades') }, says: '--late would overwrite the input' },
  { outputs: { bars: path('new'), signals: path('folder/new') }, says: '--bars and --signals need files of their own' },
])('$outputs are refused', ({ outputs, says }) => {
  expect(() => checkOutputs(outputs, ['-', path('trades')])).toThrow(says);
});

it.each([
  { bars: path('new'), signals: path('newer') },
  { bars: '-', signals: '-' },
  { late: '/dev/null', quarantine: '/dev/null' },
])('%o are not', (outputs) => {
  expect(() => checkOutputs(outputs, ['-', path('trades')])).not.toThrow();
});
