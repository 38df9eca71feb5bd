/** A manager that the others cannot reach must not become one: it would count for the quorum, and be of no use. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:tls';
import type { Pki } from '../../server/pki/index.ts';
import { checkListen } from './listen.ts';
import type { Listen } from './flags.ts';
import { askReach, type AskOptions } from './member.ts';

/** Where it will listen, and the `https://host:port` by which the others will come there. */
export interface Door {
  readonly listen: Listen;
  readonly url: string;
}

/**
 * Listens at the doors for as long as it takes until a server of the cluster has reached each, and not longer: what
 * will be there listens after that. Throws CliError when a port cannot be had.
 */
export async function untilReached(doors: readonly Door[], { server }: Pki, ask: AskOptions): Promise<void> {
  const open: Server[] = [];
  try {
    for (const { listen } of doors) open.push(await listenAt(listen, server));
    for (const { url } of doors) await askReach(url, ask);
  } finally {
    await Promise.all(open.map((one) => new Promise((resolve) => one.close(resolve))));
  }
}

async function listenAt(listen: Listen, { key, cert }: Pki['server']): Promise<Server> {
  await checkListen(listen);
  const server = createServer({ key, cert, minVersion: 'TLSv1.3' });
  server.on('secureConnection', (socket) => {
    // Who looked goes at once.
    socket.on('error', () => undefined);
    socket.destroy();
  });
  server.listen({ ...listen, exclusive: true });
  await once(server, 'listening');
  return server;
}
