import { expect, it } from 'vitest';
import { addressesOf } from '../../../adapters/delivery/name-service.ts';

it('knows a name of this machine, where it may ask this machine', async () => {
  const addresses = await addressesOf('localhost', { isOurs: true });
  expect(addresses.length).toBeGreaterThan(0);
  for (const address of addresses) expect(['127.0.0.1', '::1']).toContain(address);
});

it.each([true, false])('says by a code that there is no such name (ours: %s)', async (isOurs) => {
  await expect(addressesOf('nothing.invalid', { isOurs })).rejects.toMatchObject({ code: expect.stringMatching(/^E[A-Z_]+$/) });
});
