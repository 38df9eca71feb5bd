import { once } from 'node:events';
import { createServer, isIPv6, type Socket } from 'node:net';
import { frame, Frames } from './frames.ts';
import type { Handler } from './handler.ts';
import type { Places } from './places.ts';
import { mostQueryBytes } from './wire.ts';

export interface TCPLimits {
  readonly mostConnections: number;
  readonly mostConnectionsEach: number;
  /** Of one connection, at once; more wait in the kernel. */
  readonly mostInWork: number;
  /** Answers that the asker does not take. */
  readonly mostUnsentBytes: number;
  readonly idleMs: number;
}

export const tcpLimits: TCPLimits = {
  mostConnections: 256,
  mostConnectionsEach: 16,
  mostInWork: 16,
  mostUnsentBytes: 256 * 1024,
  idleMs: 10_000,
};

/** Answers connections on one address, queries on one in any order (RFC 7766); the returned function ends that. */
export async function serveTCP(
  address: string,
  port: number,
  handler: Pick<Handler, 'handle' | 'count'>,
  places: Places,
  limits: TCPLimits = tcpLimits,
): Promise<() => Promise<void>> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const source = socket.remoteAddress ?? '';
    const giveBack = places.take(source);
    if (giveBack === undefined) {
      handler.count('overload');
      socket.destroy();
      return;
    }
    open.add(socket);
    socket.on('close', () => {
      open.delete(socket);
      giveBack();
    });
    serve(socket, source, handler, limits);
  });
  server.listen({ host: address, port, exclusive: true, ipv6Only: isIPv6(address) });
  await once(server, 'listening');
  server.on('error', () => undefined);
  return async () => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of open) socket.destroy();
    await closed;
  };
}

function serve(
  socket: Socket,
  source: string,
  handler: Pick<Handler, 'handle' | 'count'>,
  { mostInWork, mostUnsentBytes, idleMs }: TCPLimits,
): void {
  const frames = new Frames(mostQueryBytes);
  const waiting: Buffer[] = [];
  let inWork = 0;
  const next = (): void => {
    for (let message; inWork < mostInWork && (message = waiting.shift()) !== undefined;) {
      inWork++;
      void handler.handle(message, source, 'tcp').then((reply) => {
        inWork--;
        if (socket.destroyed) return;
        if (reply !== undefined) socket.write(frame(reply));
        if (socket.writableLength > mostUnsentBytes) socket.destroy();
        else next();
      });
    }
    if (waiting.length > 0) socket.pause();
    else if (socket.isPaused()) socket.resume();
    // An asker that has said all it has to say still gets its answers.
    if (socket.readableEnded && inWork === 0) socket.end();
  };
  socket.setNoDelay(true);
  socket.setTimeout(idleMs, () => socket.destroy());
  socket.on('error', () => undefined);
  socket.on('end', next);
  socket.on('data', (chunk) => {
    try {
      waiting.push(...frames.push(chunk));
    } catch {
      handler.count('malformed');
      socket.destroy();
      return;
    }
    next();
  });
}
