import { X509Certificate } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf, trustStateOf } from '../../kit/certificate.ts';
import { FakeClock, systemClock } from '../../kit/clock.ts';
import { issueCertificate } from './issue.ts';
import { caSteps, type Credentials } from './ca.ts';
import { ensurePki, type Pki } from './pki.ts';

const dayMs = 86_400_000;

describe('the cluster PKI', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'orc-pki-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const path = (name: string): string => join(dir, 'pki', name);
  const ensure = (more: { hostnames?: string[]; nodeName?: string; clock?: FakeClock } = {}): Promise<Pki> =>
    ensurePki(dir, { nodeName: 'n1', ...more });

  test('is made once and found again', async () => {
    const first = await ensure();
    expect(await ensure()).toEqual(first);
    expect((await stat(path(''))).mode & 0o777).toBe(0o700);
    for (const name of ['ca', 'server', 'admin', 'node', 'etcd', 'etcd-client'])
      expect((await stat(path(`${name}.key`))).mode & 0o777).toBe(0o600);
  });

  test('names who holds each certificate and what for', async () => {
    const { admin, node, server } = await ensure({ hostnames: ['orc.example', '192.0.2.7', '0.0.0.0'] });
    expect(new X509Certificate(admin.cert).subject).toBe('O=system:masters\nCN=admin');
    expect(new X509Certificate(node.cert).subject).toBe('O=system:nodes\nCN=system:node:n1');
    const certificate = new X509Certificate(server.cert);
    for (const name of ['localhost', 'orc.example']) expect(certificate.checkHost(name)).toBe(name);
    for (const ip of ['127.0.0.1', '::1', '192.0.2.7']) expect(certificate.checkIP(ip)).toBe(ip);
    expect(certificate.checkIP('0.0.0.0')).toBeUndefined();
    expect(Date.parse(certificate.validFrom)).toBeLessThan(Date.now() - 3_500_000);
  });

  test('serves mutual TLS 1.3 that both ends verify', async () => {
    const { ca, server, admin } = await ensure();
    expect(await handshake(ca, server, admin)).toEqual({ authorized: true, cn: 'admin' });
    const strange = await mkdtemp(join(tmpdir(), 'orc-pki-'));
    try {
      const other = await ensurePki(strange, { nodeName: 'n1' });
      expect((await handshake(ca, server, other.admin)).authorized).toBe(false);
    } finally {
      await rm(strange, { recursive: true });
    }
  });

  test('is renewed past two thirds of its life, with the same CA and keys', async () => {
    const clock = new FakeClock();
    const first = await ensure({ clock });
    clock.advance(240 * dayMs);
    expect((await ensure({ clock })).server.cert).toBe(first.server.cert);
    clock.advance(10 * dayMs);
    const renewed = await ensure({ clock });
    expect(renewed.ca).toEqual(first.ca);
    expect(renewed.server.cert).not.toBe(first.server.cert);
    expect(renewed.server.key).toBe(first.server.key);
    expect(renewed.renewAt).toBeGreaterThan(clock.now());
  });

  test('is renewed when a name is new, and only where names matter', async () => {
    const first = await ensure();
    const second = await ensure({ hostnames: ['new.example'] });
    expect(new X509Certificate(second.server.cert).checkHost('new.example')).toBe('new.example');
    expect(second.admin).toEqual(first.admin);
    expect((await ensure({ nodeName: 'n2' })).node.cert).not.toBe(first.node.cert);
  });

  test('is issued anew when its group is another than before', async () => {
    const first = await ensure();
    const subject = (cert: string): string => new X509Certificate(cert).subject;
    expect(subject(first.server.cert)).toContain('O=system:servers');
    const earlier = { commonName: 'orc-server', organization: 'orc', usage: 'both', days: 300 } as const;
    await writeFile(path('server.crt'), issueCertificate(first.ca, earlier, first.server.key, systemClock));
    const second = await ensure();
    expect(subject(second.server.cert)).toContain('O=system:servers');
    expect(second.server.key).toBe(first.server.key);
  });

  test('survives a start that was cut short after any file', async () => {
    const first = await ensure();
    await unlink(path('server.crt'));
    expect((await ensure()).server.key).toBe(first.server.key);
    await unlink(path('server.key'));
    const healed = await ensure();
    expect(
      new X509Certificate(healed.server.cert).verify(new X509Certificate(healed.ca.cert).publicKey),
    ).toBe(true);
    await rm(path(''), { recursive: true });
    await ensure();
    const key = await readFile(path('ca.key'), 'utf8');
    for (const name of ['ca', 'server', 'admin', 'node', 'etcd', 'etcd-client'])
      await unlink(path(`${name}.crt`));
    expect((await ensure()).ca.key).toBe(key);
  });

  test('is replaced in steps, each safe to repeat, and trusts both CAs in between', async () => {
    const first = await ensure();
    const steps = caSteps(dir, systemClock);
    const state = ({ server, trust }: Pki) => trustStateOf(server.cert, trust);
    const old = digestOf(first.ca.cert);
    await steps.create();
    await steps.create();
    const { next } = await ensure();
    if (next === undefined) throw new Error('there is no next CA');
    const both = [old, digestOf(next.cert)].sort();
    await steps.trust(next);
    await steps.trust(next);
    const trusting = await ensure();
    expect(state(trusting)).toEqual({ issuer: old, trust: both });
    expect(trusting.trustFile).not.toBe(first.trustFile);
    await steps.issue();
    await steps.issue();
    const issuing = await ensure();
    expect(state(issuing)).toEqual({ issuer: digestOf(next.cert), trust: both });
    expect(issuing).toMatchObject({ trustFile: trusting.trustFile, ca: { key: next.key } });
    expect(issuing.next).toBeUndefined();
    await steps.drop();
    await steps.drop();
    const done = await ensure();
    expect(state(done)).toEqual({ issuer: digestOf(next.cert), trust: [digestOf(next.cert)] });
    expect(done.server.key).toBe(first.server.key);
    expect((await readdir(path(''))).filter((name) => name.startsWith('trust-'))).toHaveLength(1);
  });

  test('completes a change to the next CA that was cut short', async () => {
    await ensure();
    const steps = caSteps(dir, systemClock);
    await steps.create();
    const { next } = await ensure();
    if (next === undefined) throw new Error('there is no next CA');
    await steps.trust(next);
    await writeFile(path('ca.key'), next.key);
    expect((await ensure()).ca).toMatchObject({ ...next });
    await expect(steps.trust({ ...next, key: (await ensure()).server.key })).rejects.toThrow(/not its own/);
  });

  test('is never replaced silently when the CA is lost or damaged', async () => {
    await ensure();
    const key = await readFile(path('ca.key'), 'utf8');
    await unlink(path('ca.key'));
    await expect(ensure()).rejects.toThrow(/ca\.key is missing, but .* restore the CA from a backup/);
    await writeFile(path('ca.key'), 'garbage');
    await expect(ensure()).rejects.toThrow(/ca\.key is damaged/);
    await writeFile(path('ca.key'), key);
    await writeFile(path('server.crt'), '');
    await expect(ensure()).rejects.toThrow(/server\.crt is damaged .* remove it and start again/);
  });

  test('takes a directory that others could read back into private', async () => {
    await ensure();
    await chmod(path(''), 0o755);
    await ensure();
    expect((await stat(path(''))).mode & 0o777).toBe(0o700);
  });
});

function handshake(
  ca: Credentials,
  server: Credentials,
  client: Credentials,
): Promise<{ authorized: boolean; cn?: string }> {
  return new Promise((resolve, reject) => {
    const listener = createServer(
      {
        ca: ca.cert,
        cert: server.cert,
        key: server.key,
        requestCert: true,
        rejectUnauthorized: false,
        minVersion: 'TLSv1.3',
      },
      (socket: TLSSocket) => {
        const cn = socket.getPeerCertificate().subject?.CN;
        resolve({ authorized: socket.authorized, ...(cn === undefined ? {} : { cn: String(cn) }) });
        socket.destroy();
        listener.close();
      },
    );
    listener.listen(0, '127.0.0.1', () => {
      const { port } = listener.address() as AddressInfo;
      connect({ host: '127.0.0.1', port, ca: ca.cert, cert: client.cert, key: client.key }).on(
        'error',
        reject,
      );
    });
  });
}
