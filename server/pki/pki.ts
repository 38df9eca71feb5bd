import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { renewalOf } from '../../kit/certificate.ts';
import { systemClock, type Clock } from '../../kit/clock.ts';
import { privateDirectory, writeDurably } from '../../kit/files.ts';
import {
  belongs,
  credentials,
  ensureCa,
  ensureTrust,
  parse,
  readPair,
  type Credentials,
  type Trusted,
} from './ca.ts';
import { hostsOf } from './hosts.ts';
import { generateKey, issueCertificate, type CertificateRequest, type KeyedCertificate } from './issue.ts';

/** The cluster's certificates on this machine, valid and current. */
export interface Pki extends Trusted {
  /** The CA that issues. */
  readonly ca: Credentials;
  /** The CA that is to issue next, while it is replaced. */
  readonly next?: KeyedCertificate;
  /** Of the API server; also its client certificate towards other servers (O `system:servers`). */
  readonly server: Credentials;
  /** CN `admin`, O `system:masters`. */
  readonly admin: Credentials;
  /** CN `system:node:<name>`, O `system:nodes`. */
  readonly node: Credentials;
  /** Of the etcd member, towards clients and peers. */
  readonly etcd: Credentials;
  readonly etcdClient: Credentials;
  /** When `ensurePki` will next have something to renew, in milliseconds since the epoch. */
  readonly renewAt: number;
}

/** CN and DNS name of the one certificate with which etcd is asked. */
export const etcdClientName = 'orc-etcd-client';

const leafDays = 365;

const covers = (certificate: X509Certificate, host: string): boolean =>
  isIP(host) === 0
    ? certificate.checkHost(host, { subject: 'never', wildcards: false }) !== undefined
    : certificate.checkIP(host) !== undefined;

function isCurrent(
  certificate: X509Certificate,
  ca: X509Certificate,
  request: CertificateRequest,
  clock: Clock,
): boolean {
  const subject = certificate.subject.split('\n');
  return (
    certificate.checkIssued(ca) &&
    clock.now() < renewalOf(certificate) &&
    subject.includes(`CN=${request.commonName}`) &&
    (request.organization === undefined || subject.includes(`O=${request.organization}`)) &&
    (request.hosts ?? []).every((host) => covers(certificate, host))
  );
}

/** A leaf keeps its key when it is renewed, so that key and certificate match at every moment. */
async function ensureLeaf(
  dir: string,
  name: string,
  ca: Credentials,
  request: CertificateRequest,
  clock: Clock,
): Promise<Credentials> {
  const old = await readPair(dir, name);
  const issuer = new X509Certificate(ca.cert);
  const certFile = join(dir, `${name}.crt`);
  const keyFile = join(dir, `${name}.key`);
  if (old.cert !== undefined && old.key !== undefined) {
    const { cert, key } = old;
    const certificate = parse(certFile, () => new X509Certificate(cert));
    const matches = parse(keyFile, () => belongs(certificate, key));
    if (matches && isCurrent(certificate, issuer, request, clock))
      return credentials(dir, name, { cert, key });
  }
  const key = old.key ?? (await generateKey());
  if (old.key === undefined) await writeDurably(keyFile, key, 0o600);
  const cert = parse(keyFile, () => issueCertificate(ca, request, key, clock));
  await writeDurably(certFile, cert, 0o644);
  return credentials(dir, name, { cert, key });
}

/**
 * Makes `dataDir/pki` complete and current, and returns it: the CA (20 years) and this machine's
 * certificates (1 year, renewed past two thirds of it, or when a name or address is new). Repeating it
 * changes nothing; being killed in it does no harm. Throws PkiError for what only a person can decide.
 */
export async function ensurePki(
  dataDir: string,
  options: { readonly hostnames?: readonly string[]; readonly nodeName: string; readonly clock?: Clock },
): Promise<Pki> {
  const { nodeName, clock = systemClock } = options;
  const dir = join(dataDir, 'pki');
  await privateDirectory(dir);
  const ca = await ensureCa(dir, clock);
  const trusted = await ensureTrust(dir, ca);
  const next = await readPair(dir, 'next-ca');
  const hosts = hostsOf(options.hostnames ?? []);
  const leaf = (name: string, request: Omit<CertificateRequest, 'days'>): Promise<Credentials> =>
    ensureLeaf(dir, name, ca, { ...request, days: leafDays }, clock);
  const [server, admin, node, etcd, etcdClient] = await Promise.all([
    leaf('server', { commonName: 'orc-server', organization: 'system:servers', usage: 'both', hosts }),
    leaf('admin', { commonName: 'admin', organization: 'system:masters', usage: 'client' }),
    leaf('node', { commonName: `system:node:${nodeName}`, organization: 'system:nodes', usage: 'client' }),
    leaf('etcd', { commonName: 'orc-etcd', organization: 'orc', usage: 'both', hosts }),
    // etcd takes clients by a name in their certificate, and wants their address in it, too.
    leaf('etcd-client', {
      commonName: etcdClientName,
      organization: 'orc',
      usage: 'client',
      hosts: [etcdClientName, '127.0.0.1'],
    }),
  ]);
  const renewAt = Math.min(
    ...[server, admin, node, etcd, etcdClient].map(({ cert }) => renewalOf(new X509Certificate(cert))),
  );
  return {
    ca,
    ...trusted,
    ...(next.cert === undefined || next.key === undefined
      ? {}
      : { next: { cert: next.cert, key: next.key } }),
    ...{ server, admin, node, etcd, etcdClient, renewAt },
  };
}
