import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SecretsFile } from '../../../adapters/delivery/secrets-file.ts';
import { SecretsManagerSecrets } from '../../../adapters/delivery/secrets-manager.ts';
import type { SecretStore } from '../../../adapters/delivery/secrets.ts';
import { startSecretsManager } from './fake-secrets-manager.ts';

let folder = '';
let path = '';
let manager: Awaited<ReturnType<typeof startSecretsManager>>;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tapeline-secrets-'));
  manager = await startSecretsManager('tapeline/endpoints');
});
afterAll(() => {
  manager.close();
  rmSync(folder, { recursive: true, force: true });
});
let files = 0;
beforeEach(() => {
  path = join(folder, `state-${files++}`, 'secrets.json');
  Object.assign(manager, { value: '{}', calls: [], failure: undefined });
});

const onAws = (more: { nowMs?: () => number; secretId?: string } = {}) =>
  new SecretsManagerSecrets({ client: manager.client, secretId: 'tapeline/endpoints', ...more });

describe.each<[string, () => SecretStore]>([
  ['a file', () => new SecretsFile(path)],
  ['Secrets Manager', () => onAws()],
])('%s, as a store of secrets', (_, open) => {
  it('knows nothing of an endpoint that it was told nothing of', async () => {
    for (const name of ['hooks', 'constructor', 'toString']) expect(await open().read(name)).toEqual([]);
  });

  it('gives back what was written last, of each endpoint, to whoever opens it', async () => {
    const names = fc.constantFrom('hooks', 'alerts', 'constructor', 'a');
    const writes = fc.array(fc.tuple(names, fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 3 })), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(writes, async (all) => {
        const store = open();
        for (const [name, secrets] of all) await store.write(name, secrets);
        for (const [name, secrets] of new Map(all)) {
          expect(await store.read(name)).toEqual(secrets);
          expect(await open().read(name)).toEqual(secrets);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('keeps the others when one is replaced or forgotten', async () => {
    const store = open();
    await store.write('a', ['1']);
    await store.write('b', ['2', '3']);
    await store.write('a', []);
    expect([await store.read('a'), await store.read('b')]).toEqual([[], ['2', '3']]);
  });

  it('shows nothing of them when it is looked at', async () => {
    const store = open();
    await store.write('a', ['hunter2-hunter2']);
    await store.read('a');
    expect(inspect(store, { depth: 9, showHidden: true }) + JSON.stringify(store)).not.toContain('hunter2');
  });
});

describe.skipIf(process.platform === 'win32')('the file', () => {
  it('keeps what each of many writers at once has written', async () => {
    const names = Array.from({ length: 12 }, (_, i) => `hooks-${i}`);
    await Promise.all(names.map((name) => new SecretsFile(path).write(name, [name])));
    for (const name of names) expect(await new SecretsFile(path).read(name)).toEqual([name]);
  });

  it('is not written beside somebody who is writing it, and says what to do when that goes on', async () => {
    await new SecretsFile(path).write('a', ['1']);
    writeFileSync(`${path}.next`, '');
    await expect(new SecretsFile(path, { waitMs: 50 }).write('b', ['2'])).rejects.toThrow(`if nobody is, delete "${path}.next"`);
    expect([await new SecretsFile(path).read('a'), existsSync(`${path}.next`)]).toEqual([['1'], true]);
  });

  it('can be read by its owner only, is replaced whole, and leaves nothing beside it', async () => {
    const store = new SecretsFile(path);
    const mask = process.umask(0);
    await store.write('a', ['1']).finally(() => process.umask(mask));
    const before = statSync(path);
    await store.write('a', ['2']);
    expect([before.mode & 0o777, statSync(path).mode & 0o777]).toEqual([0o600, 0o600]);
    expect(statSync(path).ino).not.toBe(before.ino);
    expect(readdirSync(join(path, '..'))).toEqual(['secrets.json']);
  });

  it('is whole for whoever reads while it is replaced', async () => {
    const writing = new SecretsFile(path);
    await writing.write('a', ['0'.repeat(10_000)]);
    let isOver = false;
    const read = new Set<string>();
    const reading = (async () => {
      while (!isOver) {
        const [secret = ''] = await new SecretsFile(path).read('a');
        expect(secret).toMatch(/^(\d)\1{9999}$/);
        read.add(secret);
      }
    })();
    for (let i = 1; i <= 30; i++) await writing.write('a', [String(i % 10).repeat(10_000)]);
    isOver = true;
    await reading;
    expect(read.size).toBeGreaterThan(1);
  });

  it.each([0o640, 0o604, 0o644, 0o660, 0o601])('is refused when others have any right to it (%o), and says what to do', async (mode) => {
    await new SecretsFile(path).write('a', ['hunter2-hunter2']);
    chmodSync(path, mode);
    const error = await new SecretsFile(path).read('a').catch((thrown) => thrown);
    expect(error).toMatchObject({
      code: 'secrets-unavailable',
      retryable: false,
      message: expect.stringMatching(/others may read.*chmod 600/),
    });
    expect(inspect(error)).not.toContain('hunter2');
    await expect(new SecretsFile(path).write('b', ['1'])).rejects.toThrow('others may read');
  });

  it('is refused from the moment on when others get a right to it', async () => {
    const store = new SecretsFile(path);
    await store.write('a', ['1']);
    expect(await store.read('a')).toEqual(['1']);
    chmodSync(path, 0o644);
    await expect(store.read('a')).rejects.toThrow('others may read');
    chmodSync(path, 0o600);
    expect(await store.read('a')).toEqual(['1']);
  });

  it('is followed by whoever has read it before', async () => {
    const [running, rotating] = [new SecretsFile(path), new SecretsFile(path)];
    await rotating.write('a', ['1']);
    expect(await running.read('a')).toEqual(['1']);
    await rotating.write('a', ['2', '1']);
    expect(await running.read('a')).toEqual(['2', '1']);
  });

  it.each(['', '{', '[]', '"hunter2-hunter2"', '{"a":"hunter2-hunter2"}', '{"a":[1]}', '{"hunter2-hunter2'])(
    'that holds %j is none, and is not shown',
    async (text) => {
      await new SecretsFile(path).write('a', ['1']);
      writeFileSync(path, text);
      const error = await new SecretsFile(path).read('a').catch((thrown) => thrown);
      expect(error).toMatchObject({ code: 'secrets-unavailable', message: expect.stringContaining('must hold JSON such as') });
      expect(inspect(error)).not.toContain('hunter2');
      expect(existsSync(path) && readFileSync(path, 'utf8')).toBe(text);
    },
  );
});

describe('Secrets Manager', () => {
  it('is asked once in five minutes, by however many deliveries', async () => {
    let nowMs = 0;
    const store = onAws({ nowMs: () => nowMs });
    await Promise.all(Array.from({ length: 20 }, () => store.read('a')));
    nowMs = 299_999;
    await store.read('b');
    expect(manager.calls).toEqual(['GetSecretValue']);
    manager.value = '{"a":["new"]}';
    nowMs = 300_000;
    expect(await store.read('a')).toEqual(['new']);
  });

  it('that fails is asked again, and the error says whether that may help', async () => {
    const store = onAws();
    manager.failure = 'InternalServiceError';
    await expect(store.read('a')).rejects.toMatchObject({ code: 'secrets-unavailable', retryable: true });
    manager.failure = 'AccessDeniedException';
    await expect(store.read('a')).rejects.toMatchObject({ retryable: false, message: expect.stringContaining('AccessDeniedException') });
    await expect(store.write('a', ['1'])).rejects.toMatchObject({ code: 'secrets-unavailable' });
    manager.failure = undefined;
    expect(await store.read('a')).toEqual([]);
    await expect(onAws({ secretId: 'other' }).read('a')).rejects.toMatchObject({ retryable: false });
  });
});
