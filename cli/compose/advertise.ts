import { createSocket } from 'node:dgram';
import { isIP, isIPv6 } from 'node:net';
import { CliError } from '../errors.ts';
import { defaultPort, type Listen } from './flags.ts';

/** `host:port`, with the brackets that IPv6 needs. */
export const formatAddress = ({ host, port }: Listen): string =>
  `${isIPv6(host) ? `[${host}]` : host}:${port}`;

export const urlOf = (address: Listen): string => `https://${formatAddress(address)}`;

const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::';

/**
 * The address by which other machines reach this one: as given, else the one it listens on, else the one that its
 * route to the world starts from (asked of the kernel; nothing is sent). Throws CliError when there is none.
 */
export async function advertisedAddress(given: string | undefined, listen: Listen): Promise<Listen> {
  if (given !== undefined) {
    const address = parseAddress(given, listen.port);
    if (isWildcard(address.host))
      throw new CliError(`--advertise ${given}: expected an address that other machines can reach`, {
        exitCode: 2,
      });
    return address;
  }
  if (!isWildcard(listen.host)) return listen;
  const host = await sourceAddress();
  if (host !== undefined) return { host, port: listen.port };
  throw new CliError(
    'this machine has no route to others: say with --advertise by which address they reach it',
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

/** The local address of a UDP socket that is "connected" to an address of the documentation range (RFC 5737). */
function sourceAddress(): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const done = (address: string | undefined): void => {
      socket.close();
      resolve(address);
    };
    socket.once('error', () => done(undefined));
    socket.connect(9, '192.0.2.1', () => done(socket.address().address));
  });
}
