import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { checkOutputs, OutputFiles } from '../../local/output-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'tapeline-outputs-'));
const path = (name: string) => join(folder, name);
writeFileSync(path('trades'), '');
symlinkSync(path('trades'), path('link'));
symlinkSync(folder, path('folder'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.each([
  { outputs: { bars: path('trades') }, says: '--bars would write into the input' },
  { outputs: { late: path('link') }, says: '--late would write into the input' },
  { outputs: { late: path('folder/trades') }, says: '--late would write into the input' },
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

it('empties a file, or adds to it', () => {
  const entry = (position: string) => ({ position, reason: 'symbol-missing', sample: '{' }) as const;
  const write = (position: string, isAdding: boolean) => {
    const files = new OutputFiles({ quarantine: path('aside') }, { isAdding });
    files.writeQuarantined([entry(position)]);
    files.flush();
    const positions = [...readFileSync(path('aside'), 'utf8').matchAll(/"position":"(.*?)"/g)].map(([, found]) => found);
    files.close();
    return positions;
  };
  expect([write('a', false), write('b', true), write('c', false)]).toEqual([['a'], ['a', 'b'], ['c']]);
});
