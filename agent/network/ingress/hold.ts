import { createSocket } from 'node:dgram';
import { createServer, isIPv6 } from 'node:net';
import type { IngressPort } from './ports.ts';

/** Frees the port again. */
export type Release = () => void;
/** Takes the port for this process; throws what `bind` says, e.g. with code EADDRINUSE. */
export type Hold = (port: IngressPort) => Promise<Release>;

/**
 * Binds a published port, so that a process that listens there already is found, and none comes to listen later: the
 * rules would silently take its traffic. Nothing connects to it while the rules are loaded.
 */
export const holdPort: Hold = (port) => (port.protocol === 'udp' ? holdUDP(port) : port.protocol === 'tcp' ? holdTCP(port) : Promise.resolve(() => undefined)); // prettier-ignore

function holdTCP({ hostIP = '0.0.0.0', published }: IngressPort): Promise<Release> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.unref();
    server.once('error', reject);
    server.listen({ host: hostIP, port: published, exclusive: true, ipv6Only: isIPv6(hostIP) }, () => {
      server.off('error', reject).on('error', () => undefined);
      resolve(() => void server.close());
    });
  });
}

function holdUDP({ hostIP = '0.0.0.0', published }: IngressPort): Promise<Release> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: isIPv6(hostIP) ? 'udp6' : 'udp4', ipv6Only: isIPv6(hostIP) });
    socket.unref();
    socket.once('error', reject);
    socket.bind({ address: hostIP, port: published, exclusive: true }, () => {
      socket.off('error', reject).on('error', () => undefined);
      resolve(() => socket.close());
    });
  });
}
