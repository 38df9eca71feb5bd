/** What the API does for the replacement of the CA, and what it refuses. */
import { createPrivateKey, createPublicKey, sign, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request, type RequestOptions } from 'node:https';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { clusterName, type Certificates, type Cluster, type ClusterCa } from '../../api-schemas/index.ts';
import type { NextCaAnswer } from '../../api-schemas/cluster-api.ts';
import { proofText } from '../../api-schemas/join.ts';
import { Client, renewAdminCertificate, type TlsIdentity } from '../../client/index.ts';
import { digestOf } from '../../kit/certificate.ts';
import { systemClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import { unseal } from '../../kit/sealed.ts';
import { headersFor } from '../../server/auth/identity.ts';
import { sealedBackup } from '../../server/cluster/backup.ts';
import {
  caSteps,
  digestOfKey,
  ensurePki,
  generateKey,
  issueCertificate,
  type Pki,
} from '../../server/pki/index.ts';
import type { Store } from '../../store/index.ts';
import type { Cache, Registry, SyncOptions } from '../../store/types.ts';
import { SessionCluster, type ClusterServer } from '../harness/session-cluster.ts';
import { unique, until } from '../harness/session.ts';

let cluster: SessionCluster;
let server: ClusterServer;
/** What the server has in the phases: the next CA beside the old one, certificates of it, and it alone. */
let both: Pki;
let issued: Pki;
let alone: Pki;
beforeAll(async () => {
  cluster = await SessionCluster.open();
  const steps = caSteps(cluster.dir, systemClock);
  const pki = (): Promise<Pki> => ensurePki(cluster.dir, { nodeName: 'own' });
  await steps.create();
  const { next } = await pki();
  if (next === undefined) throw new Error('there is no next CA');
  await steps.trust(next);
  both = await pki();
  await steps.issue();
  issued = await pki();
  await steps.drop();
  alone = await pki();
  server = await cluster.startServer(unique('s'));
}, 30_000);
afterAll(() => cluster.close());

const json = { 'content-type': 'application/json' };
const identity = (name: 'admin' | 'server'): Required<TlsIdentity> => {
  const { cert, key } = cluster.pki[name];
  return { ca: cluster.pki.trust, cert, key };
};
const withClient = async <T>(tls: TlsIdentity, work: (client: Client) => Promise<T>): Promise<T> => {
  const client = new Client({ endpoints: [server.url], tls });
  return work(client).finally(() => client.close());
};

/** What the Cluster object says of the rotation. */
const atPhase = (phase: ClusterCa['phase'], to?: string, rotation = 1): Promise<unknown> => {
  const at = new Date(0).toISOString();
  const ca: ClusterCa = {
    ...{ rotation, phase, from: digestOf(both.ca.cert), startedAt: at, since: at },
    ...{ waitingFor: [], skipped: [] },
    ...(to === undefined ? {} : { to }),
  };
  return cluster.registry.registry.modify<Cluster>(
    { kind: 'Cluster', namespace: '', name: clusterName },
    (current) => ({ ...current, status: { ...current.status, ca } }),
  );
};

describe('the certificate of an admin', () => {
  /** Asks with the certificate of `tls` for one for `key`. */
  const renew = (tls: TlsIdentity, key: string, headers: Readonly<Record<string, string>> = {}) =>
    withClient(tls, async (client) => {
      const { challenge } = JSON.parse(await client.raw('GET', '/cluster/v1/challenge')) as {
        challenge: string;
      };
      const signature = sign('sha256', Buffer.from(proofText(challenge, 'admin')), createPrivateKey(key));
      const publicKey = createPublicKey(key).export({ type: 'spki', format: 'pem' });
      const body = { publicKey, challenge, signature: signature.toString('base64') };
      return client.raw('POST', '/cluster/v1/renew-admin', JSON.stringify(body), { ...json, ...headers });
    });

  test('is renewed for the key that it has, and for no other one', async () => {
    const admin = identity('admin');
    const { certificate } = await renewAdminCertificate(server.url, admin);
    expect(digestOfKey(new X509Certificate(certificate).publicKey)).toBe(
      digestOfKey(createPrivateKey(admin.key)),
    );
    const refused = renew(admin, await generateKey());
    await expect(refused).rejects.toMatchObject({
      code: 403,
      message: expect.stringContaining('that key alone'),
    });
  });

  test('is renewed for nobody who comes by way of another server', async () => {
    const { key } = identity('admin');
    const relayed = headersFor({ name: 'admin', groups: ['system:masters'] });
    const refused = renew(identity('server'), key, relayed);
    await expect(refused).rejects.toMatchObject({
      code: 403,
      message: expect.stringContaining('that key alone'),
    });
  });
});

describe('the key of the CA that is to issue next', () => {
  const ask = (tls: TlsIdentity, digest: string): Promise<NextCaAnswer> =>
    withClient(tls, async (client) =>
      JSON.parse(await client.raw('GET', `/cluster/v1/next-ca?digest=${digest}`)),
    );
  afterAll(() => atPhase('Done'));

  test('is given to other managers alone, and only while they need it', async () => {
    server.useTls(both);
    const manager = identity('server');
    const next = digestOf(both.next?.cert ?? '');
    await expect(ask(manager, next)).rejects.toMatchObject({ code: 404 });
    await atPhase('Create');
    await expect(ask(manager, next)).rejects.toMatchObject({ code: 404 });
    for (const phase of ['Trust', 'Issue', 'Drop'] as const) {
      await atPhase(phase, next);
      expect(await ask(manager, next)).toEqual({ ca: both.next?.cert, caKey: both.next?.key });
      await expect(ask(manager, digestOf(both.ca.cert))).rejects.toMatchObject({ code: 404 });
      for (const other of [identity('admin'), await cluster.identityOf(unique('n'))])
        await expect(ask(other, next)).rejects.toMatchObject({ code: 403 });
    }
    await atPhase('Done', next);
    await expect(ask(manager, next)).rejects.toMatchObject({ code: 404 });
  });
});

describe('a connection', () => {
  /** Who has a certificate of that CA, and understands servers of both. */
  const tlsOf = async (ca: Pki['ca'], commonName: string, organization: string) => {
    const key = await generateKey();
    const request = { commonName, organization, usage: 'client', days: 1 } as const;
    return { ca: both.trust, key, cert: issueCertificate(ca, request, key, systemClock) };
  };
  const open = async (path: string, options: RequestOptions): Promise<IncomingMessage> => {
    const sent = request(`${server.url}${path}`, options);
    sent.end();
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    return answer;
  };
  /** On the one connection that `agent` keeps. */
  const ask = async (agent: Agent): Promise<{ code: number; socket: Socket }> => {
    const answer = await open('/api/v1/namespaces', { agent });
    const { socket } = answer;
    answer.resume();
    await once(answer, 'end');
    return { code: answer.statusCode ?? 0, socket };
  };
  const watch = async (tls: TlsIdentity) => {
    const answer = await open('/apis/orc.dev/v1/nodes?watch=true', { agent: false, ...tls });
    let text = '';
    let isOver = false;
    answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
    answer.on('error', () => undefined);
    answer.on('close', () => (isOver = true));
    return { shows: (name: string) => text.includes(`"${name}"`), isOver: () => isOver };
  };
  const kept = (tls: TlsIdentity): Agent => new Agent({ keepAlive: true, maxSockets: 1, ...tls });

  test('with a certificate of a CA that is not trusted any more ends, whatever goes on on it; others stay', async () => {
    server = await cluster.startServer(unique('s'));
    server.useTls(both);
    server.useTls(issued);
    const admins = await Promise.all([both.ca, issued.ca].map((ca) => tlsOf(ca, 'admin', 'system:masters')));
    const [old, renewed] = admins.map(kept);
    const anyone = kept({ ca: both.trust });
    if (old === undefined || renewed === undefined) throw new Error('two are needed');
    const before = { old: await ask(old), renewed: await ask(renewed), anyone: await ask(anyone) };
    expect(Object.values(before).map(({ code }) => code)).toEqual([200, 200, 401]);
    const [oldWatch, newWatch] = await Promise.all(admins.map(watch));
    const [left, stays] = [unique('n'), unique('n')];
    const [leftTls, staysTls] = await Promise.all([
      tlsOf(both.ca, `system:node:${left}`, 'system:nodes'),
      tlsOf(issued.ca, `system:node:${stays}`, 'system:nodes'),
    ]);
    const leaving = await cluster.connect(left, [server.url], { tls: () => leftTls });
    const staying = await cluster.connect(stays, [server.url], { tls: () => staysTls });
    await until('both are connected', () => server.gateway.connected().length === 2);
    await until('both are seen', () => oldWatch?.shows(stays) === true && newWatch?.shows(stays) === true);

    server.useTls(alone);
    await until('the kept connection is over', () => before.old.socket.destroyed);
    await until('the watch is over', () => oldWatch?.isOver());
    await until('the session is over', () => server.gateway.connected().join() === stays);
    await until('its agent knows', () => leaving.disconnects.length === 1);
    // The agent has a TLS ticket of that connection, which opens nothing either.
    expect((await ask(old)).code).toBe(401);

    expect(await ask(renewed)).toEqual({ code: 200, socket: before.renewed.socket });
    expect(await ask(anyone)).toEqual({ code: 401, socket: before.anyone.socket });
    const later = unique('n');
    const laterTls = await tlsOf(issued.ca, `system:node:${later}`, 'system:nodes');
    await cluster.connect(later, [server.url], { tls: () => laterTls });
    await until('the watch goes on', () => newWatch?.shows(later));
    expect(newWatch?.isOver()).toBe(false);
    expect(staying.disconnects).toEqual([]);
    for (const agent of [old, renewed, anyone]) agent.destroy();
  });
});

describe('what agents are to follow', () => {
  test('is said by servers with a quorum alone: one that is cut off may be behind', async () => {
    // There is no other one that it could go to.
    await cluster.clear();
    server = await cluster.startServer(unique('s'));
    server.useTls(both);
    server.quorum = false;
    const told: Certificates[] = [];
    const issuers = (): string => told.map(({ issuer }) => issuer).join();
    const looked = async (): Promise<void> => {
      const before = server.looks;
      await until('it has looked again', () => server.looks > before + 4);
    };
    const agent = await cluster.connect(unique('n'), [server.url], {
      onCertificates: (certificates) => told.push(certificates),
    });
    await until('connected', () => agent.session.connected);
    server.useTls(issued);
    await looked();
    expect(told).toEqual([]);
    server.quorum = true;
    await until('its word counts again', () => told.length > 0);
    server.quorum = false;
    server.useTls(both);
    await looked();
    expect(issuers()).toBe(digestOf(issued.ca.cert));
    server.quorum = true;
    await until('it says what is so', () => told.length > 1);
    expect(issuers()).toBe([issued, both].map(({ ca }) => digestOf(ca.cert)).join());
  });
});

describe('a backup', () => {
  const ref = { kind: 'Cluster', namespace: '', name: clusterName } as const;
  const ask = async ({ registry, connection: etcd }: Store, shown: Registry = registry) => {
    const parts = { registry: shown, etcd, nodeName: 'own', ca: () => both.ca };
    const passphrase = 'correct horse battery';
    const { stream } = await sealedBackup(
      { ...parts, clock: systemClock, logger: silentLogger },
      { body: () => Promise.resolve({ passphrase }) },
    );
    if (stream === undefined) throw new Error('there is no stream');
    return { passphrase, pieces: stream[Symbol.asyncIterator]() };
  };
  const rest = async (pieces: AsyncIterator<Buffer>): Promise<Buffer[]> => {
    const next = await pieces.next();
    return next.done === true ? [] : [next.value, ...(await rest(pieces))];
  };
  beforeAll(async () => {
    server = await cluster.startServer(unique('s'));
  });
  afterAll(() => atPhase('Done'));

  test('is broken off when the CA is replaced before its end, and cannot be opened then', async () => {
    await atPhase('Done');
    const whole = await ask(server.store);
    const opened = unseal(await rest(whole.pieces), whole.passphrase);
    expect((await opened.next()).value?.toString()).toContain('orc-backup');

    for (const begin of [() => atPhase('Trust', '0'.repeat(64)), () => atPhase('Done', undefined, 2)]) {
      await atPhase('Done');
      const { pieces } = await ask(server.store);
      const first = await pieces.next();
      expect(first.done).toBe(false);
      await begin();
      await expect(rest(pieces)).rejects.toMatchObject({
        code: 409,
        message: expect.stringMatching(/being replaced/),
      });
    }
  });

  test('is refused by a manager that has not heard yet that the CA is to be replaced', async () => {
    await atPhase('Done');
    const { registry } = server.store;
    let isSynced = false;
    const cache = {
      get: (...what: Parameters<Cache['get']>) => (isSynced ? registry.cache.get(...what) : undefined),
      sync: async (options?: SyncOptions) => {
        await registry.cache.sync(options);
        isSynced = true;
      },
    };
    await cluster.registry.registry.modify<Cluster>(ref, (current) => ({
      ...current,
      spec: { ca: { rotation: 9 } },
    }));
    const asked = ask(server.store, { ...registry, cache: cache as unknown as Cache });
    await expect(asked).rejects.toMatchObject({ code: 409 });
    await cluster.registry.registry.modify<Cluster>(ref, (current) => ({ ...current, spec: {} }));
  });
});
