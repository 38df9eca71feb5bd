import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { FakeClock, systemClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import { startServer, type RunningServer } from '../../server/index.ts';
import { ensurePki, keepPki, type Pki } from '../../server/pki/index.ts';
import { openStore, superviseEtcd, type EtcdSupervisor, type Store } from '../../store/index.ts';

const dayMs = 86_400_000;

describe('certificates of a running server', () => {
  const dir = mkdtempSync(join(tmpdir(), 'orc-renewal-'));
  // TLS compares with the real time: the first certificates are 250 days old by it, and valid.
  const clock = new FakeClock(Date.now() - 250 * dayMs);
  const ensure = (): Promise<Pki> => ensurePki(dir, { nodeName: 'n1', clock });
  let pki: Pki;
  let etcd: EtcdSupervisor;
  let store: Store;
  let server: RunningServer;

  beforeAll(async () => {
    pki = await ensure();
    etcd = await superviseEtcd({
      dataDir: join(dir, 'etcd'),
      logger: silentLogger,
      tls: { caFile: pki.ca.certFile, certFile: pki.etcd.certFile, keyFile: pki.etcd.keyFile },
    });
    store = await openStore({ endpoints: etcd.endpoints, logger: silentLogger, tls: clientTls(pki) });
    server = await startServer({
      registry: store.registry,
      listen: { host: '127.0.0.1', port: 0 },
      tls: serverTls(pki),
      logger: silentLogger,
      clock: systemClock,
      version: '0.0.0',
    });
  }, 60_000);
  afterAll(async () => {
    await server.close();
    await store.close();
    await etcd.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const serverTls = ({ ca, server: own }: Pki) => ({ ca: ca.cert, cert: own.cert, key: own.key });
  const clientTls = ({ ca, etcdClient }: Pki) => ({
    ca: Buffer.from(ca.cert),
    cert: Buffer.from(etcdClient.cert),
    key: Buffer.from(etcdClient.key),
  });
  const shown = async (): Promise<string> => {
    const { hostname, port } = new URL(server.url);
    const socket: TLSSocket = connect({ host: hostname, port: Number(port), ca: pki.ca.cert });
    await once(socket, 'secureConnect');
    const serial = socket.getPeerX509Certificate()?.serialNumber ?? '';
    socket.destroy();
    return serial;
  };
  const serialOf = ({ server: own }: Pki): string => new X509Certificate(own.cert).serialNumber;

  test('are renewed at their time, and what is connected stays connected', async () => {
    const agent = new Agent({
      keepAlive: true,
      maxSockets: 1,
      ca: pki.ca.cert,
      cert: pki.admin.cert,
      key: pki.admin.key,
    });
    const ask = async (): Promise<{ code: number; socket: unknown }> => {
      const sent = request(`${server.url}/api/v1/namespaces`, { agent });
      sent.end();
      const [answer] = (await once(sent, 'response')) as [IncomingMessage];
      const { socket } = answer;
      answer.resume();
      await once(answer, 'end');
      return { code: answer.statusCode ?? 0, socket };
    };
    const first = await ask();
    expect(await shown()).toBe(serialOf(pki));

    const renewed = new Promise<Pki>((resolve) => {
      const keeper = keepPki(pki, {
        ensure,
        onRenewed: (next) => {
          server.renewTls(serverTls(next));
          store.connection.renewTls(clientTls(next));
          keeper.close();
          resolve(next);
        },
        clock,
        logger: silentLogger,
      });
    });
    clock.advance(250 * dayMs);
    const next = await renewed;

    expect(serialOf(next)).not.toBe(serialOf(pki));
    expect(await shown()).toBe(serialOf(next));
    // The connection from before goes on, and the store is reached by the new certificate.
    expect(await ask()).toEqual({ code: 200, socket: first.socket });
    const metadata = { name: 'after' };
    await store.registry.create({ apiVersion: 'v1', kind: 'Namespace', metadata });
    expect(store.cache.get('Namespace', '', 'after')).toBeDefined();
    agent.destroy();
  });
});
