import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { renewalOf } from '../../kit/certificate.ts';
import { systemClock, type Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import { privateDirectory, readIfThere, writeDurably } from '../../kit/files.ts';
import { hostsOf } from './hosts.ts';
import {
  generateKey,
  issueCertificate,
  selfSign,
  type CertificateRequest,
  type KeyedCertificate,
} from './issue.ts';

export interface Credentials extends KeyedCertificate {
  readonly certFile: string;
  readonly keyFile: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

/** The cluster's certificates on this machine, valid and current. */
export interface Pki {
  readonly ca: Credentials;
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

/** The PKI directory is not in order; the message says which file, and what to do. */
export class PkiError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'PkiError';
  }
}

/** CN and DNS name of the one certificate with which etcd is asked. */
export const etcdClientName = 'orc-etcd-client';

const caDays = 20 * 365;
const leafDays = 365;

interface Pair {
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

async function readPair(dir: string, name: string): Promise<Pair> {
  const [cert, key] = await Promise.all([
    readIfThere(join(dir, `${name}.crt`)),
    readIfThere(join(dir, `${name}.key`)),
  ]);
  return { cert, key };
}

function parse<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new PkiError(
      `${path} is damaged (${messageOf(error)}): restore it from a backup` +
        (path.endsWith('ca.crt') || path.endsWith('ca.key')
          ? ''
          : ', or remove it and start again: a new one is made'),
    );
  }
}

const credentials = (dir: string, name: string, { cert, key }: KeyedCertificate): Credentials => ({
  cert,
  key,
  certFile: join(dir, `${name}.crt`),
  keyFile: join(dir, `${name}.key`),
  notAfter: Date.parse(new X509Certificate(cert).validTo),
});

const belongs = (certificate: X509Certificate, key: string): boolean =>
  certificate.checkPrivateKey(createPrivateKey(key));

async function ensureCa(dir: string, clock: Clock): Promise<Credentials> {
  const { cert, key } = await readPair(dir, 'ca');
  const file = (end: string): string => join(dir, `ca.${end}`);
  if (cert !== undefined && key !== undefined) {
    const certificate = parse(file('crt'), () => new X509Certificate(cert));
    if (!parse(file('key'), () => belongs(certificate, key)))
      throw new PkiError(`${file('key')} is not the key of ${file('crt')}: restore both from one backup`);
    if (Date.parse(certificate.validTo) < clock.now())
      throw new PkiError(`the cluster CA in ${file('crt')} expired on ${certificate.validTo}`);
    return credentials(dir, 'ca', { cert, key });
  }
  const others = (await readdir(dir)).filter((name) => name.endsWith('.crt'));
  if (others.length > 0)
    throw new PkiError(
      `${file(key === undefined ? 'key' : 'crt')} is missing, but ${dir} has certificates (${others.join(', ')}): ` +
        `restore the CA from a backup. To give the cluster a new identity instead (every node and client must ` +
        `then get new certificates), remove ${dir} and start again`,
    );
  // A key alone is what a first start leaves that was cut short: it is used.
  const caKey = key ?? (await generateKey());
  if (key === undefined) await writeDurably(file('key'), caKey, 0o600);
  const commonName = `orc-ca-${randomBytes(4).toString('hex')}`;
  const request: CertificateRequest = { commonName, organization: 'orc', usage: 'ca', days: caDays };
  const caCert = parse(file('key'), () => selfSign(request, caKey, clock));
  await writeDurably(file('crt'), caCert, 0o644);
  return credentials(dir, 'ca', { cert: caCert, key: caKey });
}

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
  return { ca, server, admin, node, etcd, etcdClient, renewAt };
}
