import { isIP, isIPv4, isIPv6 } from 'node:net';
import type { HostAddress } from '../../kit/host-addresses.ts';
import { CliError, usageError } from '../errors.ts';
import { defaultPort, type Listen } from './flags.ts';
import { waysOfHost, type Ways } from './ways.ts';

/** `host:port`, with the brackets that IPv6 needs. */
export const formatAddress = ({ host, port }: Listen): string =>
  `${isIPv6(host) ? `[${host}]` : host}:${port}`;

export const urlOf = (address: Listen): string => `https://${formatAddress(address)}`;

const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::';

/**
 * The address by which other machines reach this one: as given, else the one it listens on, else the one from which it
 * reaches the managers in `towards`, else the one that its default route starts from, else the only one that it has.
 * Never one that stands for all. Throws CliError, with the choice, when there is none or nothing says which.
 */
export async function advertisedAddress(
  given: string | undefined,
  listen: Listen,
  { towards = [], ways = waysOfHost }: { readonly towards?: readonly string[]; readonly ways?: Ways } = {},
): Promise<Listen> {
  if (given !== undefined) {
    const address = parseAddress(given, listen.port);
    if (isWildcard(address.host))
      throw new CliError(`--advertise ${given}: expected an address that other machines can reach`, {
        exitCode: 2,
      });
    return address;
  }
  if (!isWildcard(listen.host)) return listen;
  const isUsable = (address: string): boolean => isServed(address, listen) && !isLoopback(address);
  for (const host of [...towards, ...documentationHosts]) {
    const address = await ways.addressTowards(host);
    if (address !== undefined && isUsable(address)) return { host: address, port: listen.port };
  }
  return { host: onlyOne(ways.addresses().filter(({ address }) => isUsable(address))), port: listen.port };
}

/** The same for a machine alone, which nobody else has to reach: its loopback where nothing says more. */
export const ownAddress = (listen: Listen, ways?: Ways): Promise<Listen> =>
  advertisedAddress(undefined, listen, ways === undefined ? {} : { ways }).catch(() => ({
    host: '127.0.0.1',
    port: listen.port,
  }));

/** Of addresses for documentation (RFC 5737, RFC 3849): no network has them, so the default route is taken. */
const documentationHosts = ['192.0.2.1', '2001:db8::1'];

const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';

/** Who listens on `::` is reached by IPv4, too. */
const isServed = (address: string, { host }: Listen): boolean => isIPv4(address) || host === '::';

function onlyOne(found: readonly HostAddress[]): string {
  const v4 = found.filter(({ address }) => isIPv4(address));
  const candidates = v4.length === 0 ? found : v4;
  const [first, ...others] = candidates;
  if (first === undefined)
    throw new CliError('this machine has no address that others could reach it by', {
      remedy: 'connect it to a network, or say with --advertise by which address they reach it',
    });
  if (others.length === 0) return first.address;
  const list = candidates.map((each) => `${each.address} (${each.interface})`).join(', ');
  throw usageError(
    `this machine has several addresses, and no default route that says which one others use: ${list}`,
    `say which, e.g. --advertise ${first.address}`,
  );
}

/** Reads `host`, `host:port` or `[v6]:port`; also with `https://` before it. Throws CliError. */
export function parseAddress(text: string, port = defaultPort): Listen {
  const match = /^(?:https:\/\/)?(?:\[([^\]]+)\]|([^:/[\]]+))(?::(\d{1,5}))?\/?$/.exec(text.trim());
  const host = match?.[1] ?? match?.[2];
  const given = match?.[3] === undefined ? port : Number(match[3]);
  if (host === undefined && isIPv6(text)) return { host: text, port };
  if (
    host === undefined ||
    given < 1 ||
    given > 65_535 ||
    (match?.[1] !== undefined && isIP(match[1]) !== 6)
  ) {
    throw new CliError(`${text}: expected HOST or HOST:PORT, e.g. 10.0.0.5:${defaultPort}`, { exitCode: 2 });
  }
  return { host, port: given };
}
