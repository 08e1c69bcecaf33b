import { BlockList, isIP, type LookupFunction } from 'node:net';
import { ConfigError } from '../../core/config-error.ts';
import { TapelineError } from '../errors.ts';
import { addressesOf } from './name-service.ts';

export type AddressGuardOptions = {
  /**
   * Private targets that may be reached none the less: addresses (`10.1.2.3`), networks (`10.0.0.0/8`, `fd00::/8`), and host names, which
   * then may lead to any address.
   * @default none
   */
  readonly allow?: readonly string[];
  /** `localhost`, `127.0.0.1` and `[::1]` may be reached, by http too: for a receiver under development. @default false */
  readonly isLocalhostAllowed?: boolean;
  /** Every address of a name. @default DNS; for localhost, and where `allow` has entries, what this machine knows */
  readonly resolve?: (hostname: string) => Promise<readonly string[]>;
};

export type CheckedUrl = { readonly ok: true; readonly url: URL } | { readonly ok: false; readonly reason: string };

/** An address that must not be reached. */
export class AddressRefused extends TapelineError {
  constructor(address: string) {
    super(`the address ${address} is private or special, and not in the allow list`, { code: 'address-refused' });
  }
}

/**
 * Keeps requests to URLs that somebody else may have chosen away from this machine and its networks. It looks at what is connected to and
 * not at what the URL says, so that spellings, names that point inside and names that change their mind are all one case.
 */
export class AddressGuard {
  readonly #allowedNetworks: BlockList;
  readonly #allowedHosts: ReadonlySet<string>;
  readonly #isLocalhostAllowed: boolean;
  readonly #resolve: NonNullable<AddressGuardOptions['resolve']>;

  /** @throws ConfigError for an entry of `allow` that is none */
  constructor({ allow = [], isLocalhostAllowed = false, resolve }: AddressGuardOptions = {}) {
    const networks = allow.filter((entry) => isIP(entry.split('/')[0] as string) !== 0);
    this.#allowedNetworks = networksOf(networks);
    this.#allowedHosts = new Set(allow.filter((entry) => !networks.includes(entry)).map(hostOf));
    this.#isLocalhostAllowed = isLocalhostAllowed;
    const hasOurs = allow.length > 0;
    this.#resolve = resolve ?? ((hostname) => addressesOf(hostname, { isOurs: hasOurs || localHosts.has(hostname) }));
  }

  /** What can be said of a URL before anything is asked or connected. The reason does not repeat the URL, which may hold a secret. */
  checkUrl(text: string): CheckedUrl {
    if (!URL.canParse(text)) return { ok: false, reason: 'it is not a URL' };
    const url = new URL(text);
    const { hostname } = url;
    if (url.username !== '' || url.password !== '') return { ok: false, reason: 'it has credentials in it; a signature says who we are' };
    const isHttpTaken = this.#isLocalhostAllowed && localHosts.has(hostname);
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isHttpTaken))
      return { ok: false, reason: `it must be https, received "${url.protocol.slice(0, -1)}"` };
    const address = hostname.replace(/^\[(.*)\]$/, '$1');
    const refusal = isIP(address) === 0 ? undefined : this.refusalOf(address, hostname);
    return refusal === undefined ? { ok: true, url } : { ok: false, reason: refusal.message };
  }

  /** For `connect`: resolves a name only when every one of its addresses is allowed, so that no answer can hide one among others. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.#checkedAddresses(hostname).then(
      (addresses) => {
        const wanted = addresses.filter(({ family }) => !options.family || family === options.family || options.family === `IPv${family}`);
        const [first] = wanted;
        if (first === undefined) callback(new TapelineError(`"${hostname}" has no address`, { code: 'ENOTFOUND', retryable: true }), '', 0);
        else if (options.all) callback(null, wanted);
        else callback(null, first.address, first.family);
      },
      (error: Error) => callback(error, '', 0),
    );
  };

  /** Why there may be no connection to this address for this host of a URL, if there may be none. */
  refusalOf(address: string, hostname: string): AddressRefused | undefined {
    return this.#isAllowed(address, hostname) ? undefined : new AddressRefused(address);
  }

  #isAllowed(address: string, hostname: string): boolean {
    if (this.#allowedHosts.has(hostname)) return true;
    // A zone names a link of this machine.
    if (isIP(address) === 0 || address.includes('%')) return false;
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    if (this.#allowedNetworks.check(address, family)) return true;
    if (this.#isLocalhostAllowed && localHosts.has(hostname)) return loopback.check(address, family);
    if (family === 'ipv4') return !specialIpv4.check(address);
    return unicastIpv6.check(address, 'ipv6') && !specialIpv6.check(address, 'ipv6');
  }

  async #checkedAddresses(hostname: string): Promise<{ address: string; family: 4 | 6 }[]> {
    const addresses = await this.#resolve(hostname);
    return addresses.map((address) => {
      const refusal = this.refusalOf(address, hostname);
      if (refusal !== undefined) throw refusal;
      return { address, family: isIP(address) as 4 | 6 };
    });
  }
}

/** As `URL` writes them, and as a connection has the last one. */
const localHosts = new Set(['localhost', '127.0.0.1', '[::1]', '::1']);
const loopback = networksOf(['127.0.0.0/8', '::1/128']);

/**
 * All that is not for everybody, and what answers for a cloud's machines.
 * @see https://www.iana.org/assignments/iana-ipv4-special-registry
 */
const specialIpv4 = networksOf([
  '0.0.0.0/8', // this network
  '10.0.0.0/8', // private
  '100.64.0.0/10', // carrier-grade NAT
  '127.0.0.0/8', // loopback
  '168.63.129.16/32', // Azure's platform, from within its machines
  '169.254.0.0/16', // link-local, where metadata services are
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments, Oracle's metadata service
  '192.0.2.0/24', // documentation
  '192.31.196.0/24', // AS112
  '192.52.193.0/24', // AMT
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16', // private
  '192.175.48.0/24', // AS112
  '198.18.0.0/15', // benchmarks
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, broadcast
]);

/** Nothing outside it is routed: loopback, link-local, unique local, multicast, IPv4-mapped, IPv4-compatible, NAT64, discard-only. */
const unicastIpv6 = networksOf(['2000::/3']);
/** @see https://www.iana.org/assignments/iana-ipv6-special-registry */
const specialIpv6 = networksOf([
  '2001::/23', // protocol assignments: Teredo, benchmarks, ORCHID
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4, which carries an IPv4 address
  '2620:4f:8000::/48', // AS112
  '3fff::/20', // documentation
]);

function networksOf(entries: readonly string[]): BlockList {
  const networks = new BlockList();
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/');
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    const bits = prefix === undefined ? (family === 'ipv4' ? 32 : 128) : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
    try {
      networks.addSubnet(address, bits, family);
    } catch (cause) {
      throw new ConfigError(`an allowed network must be written such as "10.0.0.0/8" or "fd00::/8", received "${entry}"`, { cause });
    }
  }
  return networks;
}

/** As `URL` writes it, so that it can be compared. */
function hostOf(entry: string): string {
  const text = `https://${entry}/`;
  if (/^[^/:@?#\s\\]+$/.test(entry) && URL.canParse(text)) return new URL(text).hostname;
  throw new ConfigError(`an allowed host must be a name such as "hooks.internal", an address or a network, received "${entry}"`);
}
