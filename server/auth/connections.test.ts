import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../kit/clock.ts';
import { ensurePki, type Pki } from '../pki/index.ts';
import { createConnections } from './connections.ts';
import { identityOf } from './identity.ts';

describe('connections of a CA that is not trusted any more', () => {
  const dir = mkdtempSync(join(tmpdir(), 'orc-connections-'));
  const near: TLSSocket[] = [];
  let server: Server;
  let pki: Pki;
  let other: Pki;
  beforeAll(async () => {
    [pki, other] = await Promise.all([
      ensurePki(join(dir, 'a'), { nodeName: 'a' }),
      ensurePki(join(dir, 'b'), { nodeName: 'b' }),
    ]);
    const { cert, key } = pki.server;
    server = createServer({ ca: pki.ca.cert, cert, key, requestCert: true, rejectUnauthorized: false });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => {
    for (const socket of near) socket.destroy();
    server.close();
    rmSync(dir, { recursive: true, force: true });
  });

  /** The server's end of a connection of an admin. */
  const accepted = async (): Promise<TLSSocket> => {
    const { cert, key } = pki.admin;
    const { port } = server.address() as AddressInfo;
    const opened = once(server, 'secureConnection') as Promise<[TLSSocket]>;
    near.push(connect({ port, host: '127.0.0.1', ca: pki.ca.cert, cert, key }).on('error', () => undefined));
    return (await opened)[0];
  };

  test('are nobody’s at once, and those in the midst of something end over a second or two', async () => {
    const clock = new FakeClock(0);
    const shares = [0.2, 0.8];
    const random = (): number => shares.shift() ?? 0;
    const connections = createConnections({ trust: pki.ca.cert, clock, random });
    const [idle, first, second] = [await accepted(), await accepted(), await accepted()];
    for (const socket of [idle, first, second]) connections.opened(socket);
    for (const socket of [first, second]) connections.upgraded(socket);
    expect(identityOf(second)).toMatchObject({ name: 'admin' });

    connections.trust(pki.ca.cert + other.ca.cert);
    expect([idle, first, second].map((socket) => socket.destroyed)).toEqual([false, false, false]);
    expect(identityOf(second)).toMatchObject({ name: 'admin' });

    connections.trust(other.ca.cert);
    expect([idle, first, second].map(identityOf)).toEqual([undefined, undefined, undefined]);
    await once(idle, 'close');
    expect([first.destroyed, second.destroyed]).toEqual([false, false]);
    clock.advance(1_000);
    expect([first.destroyed, second.destroyed]).toEqual([true, false]);
    clock.advance(1_000);
    expect(second.destroyed).toBe(true);
  });

  test('end as soon as they are there when their handshake began before', async () => {
    const connections = createConnections({ trust: pki.ca.cert, clock: new FakeClock(0) });
    const socket = await accepted();
    connections.trust(other.ca.cert);
    connections.opened(socket);
    expect(identityOf(socket)).toBeUndefined();
    await once(socket, 'close');
  });
});
