import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { Handler } from './handler.ts';

/** Answers datagrams on one address; the returned function ends that. Throws what `bind` says. */
export async function serveUDP(
  address: string,
  port: number,
  handler: Pick<Handler, 'handle'>,
): Promise<() => Promise<void>> {
  const socket = createSocket(isIPv6(address) ? { type: 'udp6', ipv6Only: true } : { type: 'udp4' });
  let isOpen = true;
  socket.on('message', (message, { address: source, port: sourcePort }) => {
    void handler.handle(message, source, 'udp').then((reply) => {
      // A container that is gone cannot be told; the error must not end the socket for the others.
      if (reply !== undefined && isOpen) socket.send(reply, sourcePort, source, () => undefined);
    });
  });
  socket.bind({ address, port, exclusive: true });
  try {
    await once(socket, 'listening');
  } catch (error) {
    socket.close();
    throw error;
  }
  socket.on('error', () => undefined);
  return async () => {
    isOpen = false;
    const closed = once(socket, 'close');
    socket.close();
    await closed;
  };
}
