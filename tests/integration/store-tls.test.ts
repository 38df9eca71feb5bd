import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import forge from 'node-forge';
import { silentLogger } from '../../kit/log.ts';
import { openStore, superviseEtcd, type EtcdSupervisor, type Store } from '../../store/index.ts';

interface Issued {
  readonly cert: forge.pki.Certificate;
  readonly certPem: string;
  readonly keyPem: string;
}

/** A certificate signed by `ca`, or by itself. */
function issue(name: string, ca?: Issued): Issued {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const keyPem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const cert = forge.pki.createCertificate();
  cert.publicKey = forge.pki.publicKeyFromPem(
    pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  );
  cert.serialNumber = `0${Math.floor(Math.random() * 1e9)}`;
  cert.validity.notBefore = new Date(Date.now() - 60_000);
  cert.validity.notAfter = new Date(Date.now() + 3_600_000);
  const subject = [{ name: 'commonName', value: name }];
  cert.setSubject(subject);
  cert.setIssuer(ca?.cert.subject.attributes ?? subject);
  cert.setExtensions(
    ca === undefined
      ? [{ name: 'basicConstraints', cA: true, critical: true }]
      : [
          { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
          { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
        ],
  );
  cert.sign(forge.pki.privateKeyFromPem(ca?.keyPem ?? keyPem), forge.md.sha256.create());
  return { cert, certPem: forge.pki.certificateToPem(cert), keyPem };
}

describe('etcd with TLS', () => {
  const dir = mkdtempSync(join(tmpdir(), 'orc-tls-'));
  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text, { mode: 0o600 });
    return join(dir, name);
  };
  const ca = issue('orc test CA');
  const member = issue('etcd', ca);
  const client = issue('orc', ca);
  let etcd: EtcdSupervisor;

  beforeAll(async () => {
    etcd = await superviseEtcd({
      dataDir: join(dir, 'etcd'),
      logger: silentLogger,
      tls: {
        caFile: file('ca.pem', ca.certPem),
        certFile: file('etcd.pem', member.certPem),
        keyFile: file('etcd.key', member.keyPem),
      },
    });
  });
  afterAll(async () => {
    await etcd.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const open = (from: Issued | undefined, trusted: Issued): Promise<Store> =>
    openStore(
      {
        endpoints: etcd.endpoints,
        logger: silentLogger,
        tls: {
          ca: Buffer.from(trusted.certPem),
          ...(from === undefined ? {} : { cert: Buffer.from(from.certPem), key: Buffer.from(from.keyPem) }),
        },
      },
      AbortSignal.timeout(1000),
    );

  test('serves a client that has a certificate of its CA', async () => {
    expect(etcd.endpoints[0]).toMatch(/^https:/);
    const store = await open(client, ca);
    await store.registry.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a' } });
    expect(store.cache.list('Namespace')).toHaveLength(1);
    await store.close();
  });

  test('refuses a client without one, or with one of another CA', async () => {
    const stranger = issue('stranger', issue('another CA'));
    await expect(open(undefined, ca)).rejects.toThrow(/could not be read/);
    await expect(open(stranger, ca)).rejects.toThrow(/could not be read/);
  });

  test('is refused by a client that does not trust its CA', async () => {
    await expect(open(client, issue('another CA'))).rejects.toThrow(/could not be read: .*certificate/);
  });

  test('trusts another CA beside its own once it is told to, and is started again for that once', async () => {
    const other = issue('the next CA');
    const client = issue('orc', other);
    await expect(open(client, ca)).rejects.toThrow(/could not be read/);
    const tls = {
      caFile: file('both.pem', ca.certPem + other.certPem),
      certFile: join(dir, 'etcd.pem'),
      keyFile: join(dir, 'etcd.key'),
    };
    const { pid, restarts } = etcd.health();
    const before: (number | undefined)[] = [];
    const note = (): Promise<unknown> => Promise.resolve(before.push(etcd.health().pid));
    const { signal } = new AbortController();
    await etcd.useTls(tls, signal, note);
    await etcd.useTls(tls, signal, note);
    expect(before).toEqual([pid]);
    expect(etcd.health()).toMatchObject({ state: 'running', restarts, lastExit: undefined });
    expect(etcd.health().pid).not.toBe(pid);
    expect(etcd.trouble()).toBeUndefined();
    const store = await open(client, ca);
    await store.registry.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'b' } });
    await store.close();
  });

  test('keeps its record and log private', () => {
    expect(readFileSync(join(dir, 'etcd', 'etcd.json'), 'utf8')).not.toContain('PRIVATE');
  });
});
