import { lookup, Resolver } from 'node:dns/promises';

const attempt = { timeout: 2_500, tries: 2 };

/**
 * Every address of a host name. Names of the world are asked of DNS without the thread pool that the whole process shares, so a name server
 * that hangs delays nobody else; names of our own network may be known to this machine only (its hosts file, its domain), so it is asked.
 * @throws Error with a `code` as Node has them, such as ENOTFOUND
 */
export async function addressesOf(hostname: string, { isOurs }: { readonly isOurs: boolean }): Promise<readonly string[]> {
  if (isOurs) return knownHere(hostname);
  const resolver = new Resolver(attempt);
  const answers = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
  const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (addresses.length > 0) return addresses;
  const { reason } = answers[0] as PromiseRejectedResult;
  // No name server is configured that could be asked directly.
  if ((reason as NodeJS.ErrnoException).code === 'ECONNREFUSED') return knownHere(hostname);
  throw reason;
}

async function knownHere(hostname: string): Promise<string[]> {
  return (await lookup(hostname, { all: true })).map(({ address }) => address);
}
