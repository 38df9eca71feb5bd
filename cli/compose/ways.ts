/** What this machine's network says of how it is reached. */
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { hostAddresses, type HostAddress } from '../../kit/host-addresses.ts';

export interface Ways {
  /** The local address of a connection to that host; undefined where none leads there. */
  addressTowards(host: string): Promise<string | undefined>;
  /** All but loopback's and those of containers. */
  addresses(): readonly HostAddress[];
}

/** As the kernel says it; nothing is sent. */
export const waysOfHost: Ways = {
  addresses: () => hostAddresses(),
  async addressTowards(host) {
    const found = await lookup(host).catch(() => undefined);
    return found === undefined ? undefined : localAddress(found.address, found.family === 6);
  },
};

/** Of a UDP socket that is "connected" there. Without a route that fails, and the socket has no address. */
function localAddress(remote: string, isV6: boolean): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isV6 ? 'udp6' : 'udp4');
    const done = (address: string | undefined): void => {
      socket.close();
      resolve(address);
    };
    socket.once('error', () => done(undefined));
    // A failure comes to the callback, as its argument.
    socket.connect(9, remote, (...[error]: readonly unknown[]) =>
      done(error === undefined || error === null ? socket.address().address : undefined),
    );
  });
}
