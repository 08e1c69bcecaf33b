import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AddressGuard, type AddressGuardOptions } from '../../../adapters/delivery/address-guard.ts';
import { allowedNames, allowedUrls, refusedNames, refusedUrls } from './address-corpus.ts';

const known: Readonly<Record<string, readonly string[]>> = { ...refusedNames, ...allowedNames };
const guardWith = (options: AddressGuardOptions = {}) =>
  new AddressGuard({ resolve: async (hostname) => known[hostname] ?? [], ...options });

/** As a connection asks. */
function lookUp(guard: AddressGuard, hostname: string, options: { all?: boolean; family?: number } = { all: true }): Promise<unknown> {
  return new Promise((done, fail) => guard.lookup(hostname, options, (error, address) => (error ? fail(error) : done(address))));
}

describe('a request is refused', () => {
  const spellings = Object.entries(refusedUrls).flatMap(([why, urls]) => urls.map((url) => [why, url] as const));

  it('in more than 80 ways to write where it goes', () => {
    expect(new Set(spellings.map(([, url]) => url)).size).toBe(spellings.length);
    expect(spellings.length + Object.keys(refusedNames).length).toBeGreaterThan(120);
  });

  it.each(spellings)('%s: %j', (_, url) => {
    const checked = guardWith().checkUrl(url);
    expect(checked).toEqual({
      ok: false,
      reason: expect.stringMatching(/^(it is not a URL|it has credentials|it must be https|the address .* is private)/),
    });
  });

  it.each(Object.entries(refusedNames))('to %s, which leads to %j', async (hostname, _) => {
    const guard = guardWith();
    expect(guard.checkUrl(`https://${hostname}/`).ok).toBe(true);
    for (const all of [true, false]) await expect(lookUp(guard, hostname, { all })).rejects.toMatchObject({ code: 'address-refused' });
  });

  it('whatever address of a network that is no one else’s is meant, in decimal, octal and hex', () => {
    const networks = fc.constantFrom<[number, number]>(
      [0x0a000000, 8],
      [0x7f000000, 8],
      [0xa9fe0000, 16],
      [0xac100000, 12],
      [0xc0a80000, 16],
      [0x64400000, 10],
      [0xe0000000, 3],
    );
    const spelled = (address: number) => {
      const bytes = [24, 16, 8, 0].map((shift) => (address >>> shift) & 255);
      return [
        bytes.join('.'),
        String(address),
        `0x${address.toString(16)}`,
        `0${address.toString(8)}`,
        bytes.map((byte) => `0${byte.toString(8)}`).join('.'),
        `${bytes[0]}.${address & 0xffffff}`,
        `[::ffff:${bytes.join('.')}]`,
        `[64:ff9b::${bytes.join('.')}]`,
      ];
    };
    fc.assert(
      fc.property(networks, fc.nat(), ([network, bits], host) => {
        const address = (network | (host % 2 ** (32 - bits))) >>> 0;
        for (const spelling of spelled(address))
          expect([spelling, guardWith().checkUrl(`https://${spelling}/`).ok]).toEqual([spelling, false]);
      }),
    );
  });

  it('and its reason does not repeat what may be a secret', () => {
    const urls = ['https://user:hunter2@example.com/', 'http://example.com/hunter2', 'hunter2', 'https://127.0.0.1/hunter2'];
    for (const url of urls) expect(JSON.stringify(guardWith().checkUrl(url))).not.toContain('hunter2');
  });
});

describe('a request is made', () => {
  it.each(allowedUrls)('to %s', (url) => {
    expect(guardWith().checkUrl(url)).toEqual({ ok: true, url: new URL(url) });
  });

  it.each(Object.entries(allowedNames))('to %s, which leads to %j', async (hostname, addresses) => {
    const found = await lookUp(guardWith(), hostname);
    expect(found).toEqual(addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
  });

  it('to an address of the family that is asked for', async () => {
    const [four, six] = allowedNames['both.example'] as [string, string];
    expect(await lookUp(guardWith(), 'both.example', {})).toBe(four);
    expect(await lookUp(guardWith(), 'both.example', { family: 6 })).toBe(six);
    await expect(lookUp(guardWith(), 'hooks.example', { family: 6 })).rejects.toMatchObject({ code: 'ENOTFOUND' });
    await expect(lookUp(guardWith(), 'unknown.example')).rejects.toMatchObject({ code: 'ENOTFOUND' });
  });
});

describe('what a deployment allows', () => {
  const allowing = (...allow: string[]) => guardWith({ allow });

  it.each([
    ['10.1.2.3', 'https://10.1.2.3/', true],
    ['10.1.2.3', 'https://10.1.2.4/', false],
    ['10.0.0.0/8', 'https://10.200.1.1/', true],
    ['10.0.0.0/8', 'https://0x0a000001/', true],
    ['10.0.0.0/8', 'https://172.16.0.1/', false],
    ['fd00::/8', 'https://[fd12::1]/', true],
    ['fd00::/8', 'https://[fe80::1]/', false],
    ['::1', 'https://[::1]/', true],
    ['10.0.0.0/8', 'http://10.1.2.3/', false],
  ])('%s lets %s pass: %s', (allow, url, isTaken) => {
    expect(allowing(allow).checkUrl(url).ok).toBe(isTaken);
  });

  it('by name is that name only, in any spelling of it', async () => {
    const guard = allowing('Private.EXAMPLE', 'bücher.example');
    expect(await lookUp(guard, 'private.example')).toEqual([{ address: '10.1.2.3', family: 4 }]);
    await expect(lookUp(guard, 'metadata.example')).rejects.toMatchObject({ code: 'address-refused' });
    expect(guard.checkUrl('https://10.1.2.3/').ok).toBe(false);
  });

  it('by network also holds for names that lead there', async () => {
    const guard = allowing('10.0.0.0/8');
    expect(await lookUp(guard, 'private.example')).toEqual([{ address: '10.1.2.3', family: 4 }]);
    await expect(lookUp(guard, 'localtest.example')).rejects.toMatchObject({ code: 'address-refused' });
  });

  it.each(['10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/', '10.0.0.0/8x', 'fd00::/129', 'a b', 'https://example.com', 'host/8', 'a:80', ''])(
    'cannot be %j',
    (entry) => {
      expect(() => allowing(entry)).toThrow(/must be .*received/);
    },
  );
});

describe('this machine, for a receiver under development', () => {
  const guard = guardWith({ isLocalhostAllowed: true });

  it.each(['http://localhost:8787/', 'https://localhost/', 'http://127.0.0.1:8787/', 'http://[::1]:8787/'])('is reached at %s', (url) => {
    expect(guard.checkUrl(url).ok).toBe(true);
  });

  it.each([
    'http://127.0.0.2/',
    'https://127.0.0.2/',
    'http://localtest.example/',
    'http://10.0.0.1/',
    'http://example.com/',
    'http://user@localhost/',
    'http://localhost./',
  ])('is not reached at %s', (url) => {
    expect(guard.checkUrl(url).ok).toBe(false);
  });

  it('is not reached by a name that leads to it, and localhost leads nowhere else', async () => {
    await expect(lookUp(guard, 'localtest.example')).rejects.toMatchObject({ code: 'address-refused' });
    const elsewhere = guardWith({ isLocalhostAllowed: true, resolve: async () => ['10.0.0.1'] });
    await expect(lookUp(elsewhere, 'localhost')).rejects.toMatchObject({ code: 'address-refused' });
  });
});
