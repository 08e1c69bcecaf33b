import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { StateInUse } from '../../../adapters/stores/errors.ts';
import { SqliteCheckpoints } from '../../../adapters/stores/sqlite.ts';
import { checkpointStoreContract } from './contract.ts';

const root = mkdtempSync(join(tmpdir(), 'tapeline-checkpoints-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const newFile = () => join(mkdtempSync(join(root, 'case-')), 'checkpoints.sqlite');

checkpointStoreContract('SQLite', async () => {
  const file = newFile();
  let store = new SqliteCheckpoints(file);
  return {
    store,
    reopen: async () => {
      store.close();
      store = new SqliteCheckpoints(file);
      return store;
    },
    close: async () => store.close(),
  };
});

const commit = { bucket: 0, expectedVersion: 0, sequenceNumber: '7', state: Uint8Array.of(1), signals: [] };

describe('SQLite checkpoints', () => {
  it('are refused to a second consumer, which is told what to do, and go to the next one when the first has ended', () => {
    const file = newFile();
    const first = new SqliteCheckpoints(file);
    expect(() => new SqliteCheckpoints(file, { waitMs: 50 })).toThrow(StateInUse);
    expect(() => new SqliteCheckpoints(file, { waitMs: 50 })).toThrow(`the state "${file}" is in use by another run; stop that one`);
    first.close();
    const next = new SqliteCheckpoints(file);
    next.close();
  });

  it('are on the disk when a commit returns: another process that is killed leaves them, and its lock goes with it', async () => {
    const file = newFile();
    const module = fileURLToPath(new URL('../../../adapters/stores/sqlite.ts', import.meta.url));
    const program = `
      const { SqliteCheckpoints } = await import(${JSON.stringify(module)});
      const store = new SqliteCheckpoints(${JSON.stringify(file)});
      await store.commit([{ ...${JSON.stringify({ ...commit, state: undefined })}, state: Uint8Array.of(1) }]);
      console.log('committed');
      setInterval(() => {}, 1000);
    `;
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    expect(line.toString()).toBe('committed\n');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const store = new SqliteCheckpoints(file);
    expect((await store.load([0])).map(({ version, sequenceNumber }) => [version, sequenceNumber])).toEqual([[1, '7']]);
    store.close();
  });
});
