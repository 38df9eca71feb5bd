/** The CA of the cluster on this machine: its files, whom it trusts beside it, and its replacement by another. */
import { createHash, createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { certificatesIn, digestOf, endOfCertificate } from '../../kit/certificate.ts';
import type { Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import { readIfThere, writeDurably } from '../../kit/files.ts';
import { generateKey, selfSign, type CertificateRequest, type KeyedCertificate } from './issue.ts';

export interface Credentials extends KeyedCertificate {
  readonly certFile: string;
  readonly keyFile: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

/** The PKI directory is not in order; the message says which file, and what to do. */
export class PkiError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'PkiError';
  }
}

const caDays = 20 * 365;

interface Pair {
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

export async function readPair(dir: string, name: string): Promise<Pair> {
  const [cert, key] = await Promise.all([
    readIfThere(join(dir, `${name}.crt`)),
    readIfThere(join(dir, `${name}.key`)),
  ]);
  return { cert, key };
}

export function parse<T>(path: string, read: () => T): T {
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

export const credentials = (dir: string, name: string, { cert, key }: KeyedCertificate): Credentials => ({
  cert,
  key,
  certFile: join(dir, `${name}.crt`),
  keyFile: join(dir, `${name}.key`),
  notAfter: endOfCertificate(cert).getTime(),
});

export const belongs = (certificate: X509Certificate, key: string): boolean =>
  certificate.checkPrivateKey(createPrivateKey(key));

/** The CA, made when there is none. What a crash left of a change to the next one is completed. */
export async function ensureCa(dir: string, clock: Clock): Promise<Credentials> {
  const { cert, key } = await readPair(dir, 'ca');
  const file = (end: string): string => join(dir, `ca.${end}`);
  if (cert !== undefined && key !== undefined) {
    const certificate = parse(file('crt'), () => new X509Certificate(cert));
    if (!parse(file('key'), () => belongs(certificate, key))) {
      const next = await readPair(dir, 'next-ca');
      if (next.cert === undefined || next.key !== key)
        throw new PkiError(`${file('key')} is not the key of ${file('crt')}: restore both from one backup`);
      await switchToNext(dir);
      return ensureCa(dir, clock);
    }
    if (Date.parse(certificate.validTo) < clock.now())
      throw new PkiError(`the cluster CA in ${file('crt')} expired on ${certificate.validTo}`);
    return credentials(dir, 'ca', { cert, key });
  }
  const trusted = certificatesIn((await readIfThere(join(dir, 'trust.crt'))) ?? '');
  const own = key === undefined ? undefined : trusted.find((one) => belongs(new X509Certificate(one), key));
  if (own !== undefined) {
    await writeDurably(file('crt'), own, 0o644);
    return ensureCa(dir, clock);
  }
  const others = (await readdir(dir)).filter((name) => name.endsWith('.crt'));
  if (others.length > 0)
    throw new PkiError(
      `${file(key === undefined ? 'key' : 'crt')} is missing, but ${dir} has certificates (${others.join(', ')}): ` +
        `restore the CA from a backup. To give the cluster a new identity instead (every node and client must ` +
        `then get new certificates), remove ${dir} and start again`,
    );
  return makeCa(dir, 'ca', clock);
}

/** A CA of its own key. A key alone is what an earlier try leaves that was cut short: it is used. */
async function makeCa(dir: string, name: string, clock: Clock): Promise<Credentials> {
  const file = (end: string): string => join(dir, `${name}.${end}`);
  const { key } = await readPair(dir, name);
  const caKey = key ?? (await generateKey());
  if (key === undefined) await writeDurably(file('key'), caKey, 0o600);
  const commonName = `orc-ca-${randomBytes(4).toString('hex')}`;
  const request: CertificateRequest = { commonName, organization: 'orc', usage: 'ca', days: caDays };
  const caCert = parse(file('key'), () => selfSign(request, caKey, clock));
  await writeDurably(file('crt'), caCert, 0o644);
  return credentials(dir, name, { cert: caCert, key: caKey });
}

export interface Trusted {
  /** The CAs that are trusted, PEM. */
  readonly trust: string;
  /** The same in a file of its own name, so that who has read an earlier one is seen to have. */
  readonly trustFile: string;
}

/** The CAs that are trusted: as `trust.crt` says, and in any case the one that issues. */
export async function ensureTrust(dir: string, ca: Credentials): Promise<Trusted> {
  const known = certificatesIn((await readIfThere(join(dir, 'trust.crt'))) ?? '');
  const own = digestOf(ca.cert);
  const trust = (known.some((one) => digestOf(one) === own) ? known : [ca.cert, ...known]).join('');
  const trustFile = join(dir, `trust-${digestOfText(trust)}.crt`);
  await writeTrust(dir, trust);
  if ((await readIfThere(trustFile)) !== trust) await writeDurably(trustFile, trust, 0o644);
  for (const name of await readdir(dir))
    if (/^trust-.*\.crt$/.test(name) && join(dir, name) !== trustFile) await rm(join(dir, name));
  return { trust, trustFile };
}

const digestOfText = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

async function writeTrust(dir: string, trust: string): Promise<void> {
  const path = join(dir, 'trust.crt');
  if ((await readIfThere(path)) !== trust) await writeDurably(path, trust, 0o644);
}

/**
 * Has the next CA issue from now on: its key and its certificate take the place of the old ones, and `ensureCa`
 * completes what is cut short in between. Nothing when there is no next one.
 */
async function switchToNext(dir: string): Promise<void> {
  const { cert, key } = await readPair(dir, 'next-ca');
  if (cert === undefined || key === undefined) return;
  await writeDurably(join(dir, 'ca.key'), key, 0o600);
  await writeDurably(join(dir, 'ca.crt'), cert, 0o644);
  await forgetNext(dir);
}

async function forgetNext(dir: string): Promise<void> {
  for (const end of ['key', 'crt']) await rm(join(dir, `next-ca.${end}`), { force: true });
}

/** The steps in which a manager's CA is replaced. Each may be repeated; `ensurePki` makes the rest follow. */
export interface CaSteps {
  /** Makes the CA that is to be next, unless there is one. */
  create(): Promise<void>;
  /** Takes the next CA that another manager made, and trusts it beside the present one. Throws PkiError. */
  trust(next: KeyedCertificate): Promise<void>;
  /** Issues with the next one. */
  issue(): Promise<void>;
  /** Trusts the one that issues alone. */
  drop(): Promise<void>;
}

export function caSteps(dataDir: string, clock: Clock): CaSteps {
  const dir = join(dataDir, 'pki');
  return {
    async create() {
      const { cert, key } = await readPair(dir, 'next-ca');
      if (cert !== undefined && key !== undefined && belongs(new X509Certificate(cert), key)) return;
      await makeCa(dir, 'next-ca', clock);
    },
    async trust({ cert, key }) {
      if (!belongs(new X509Certificate(cert), key))
        throw new PkiError('the next CA that another manager gave has a key that is not its own');
      await writeDurably(join(dir, 'next-ca.key'), key, 0o600);
      await writeDurably(join(dir, 'next-ca.crt'), cert, 0o644);
      const ca = await ensureCa(dir, clock);
      await writeTrust(dir, ca.cert + cert);
    },
    issue: () => switchToNext(dir),
    async drop() {
      await writeTrust(dir, (await ensureCa(dir, clock)).cert);
      await forgetNext(dir);
    },
  };
}
