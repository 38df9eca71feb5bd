/** What everyone asks of a certificate. */
import { X509Certificate } from 'node:crypto';

/** SHA-256 of a certificate (DER), hex; of several in one text, of the first. */
export const digestOf = (pem: string): string =>
  new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase();

/** When it is to be renewed: two thirds of the way from its start to its end, in milliseconds since the epoch. */
export function renewalOf({ validFrom, validTo }: X509Certificate): number {
  const from = Date.parse(validFrom);
  return from + ((Date.parse(validTo) - from) * 2) / 3;
}

/** The certificates in a text, one PEM each; what is between them is left out. */
export const certificatesIn = (pem: string): readonly string[] =>
  (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((one) => `${one}\n`);

/** Whom a machine trusts, and whose certificate it has: what servers and nodes compare while the CA is replaced. */
export interface TrustState {
  /** Digest of the CA that issued its certificate; empty when that is none of those that it trusts. */
  readonly issuer: string;
  /** Digests of the CAs that it trusts, sorted. */
  readonly trust: readonly string[];
}

/** Of a leaf certificate, or of a CA's own, and the CAs that are trusted beside it. */
export function trustStateOf(certificate: string, authorities: string): TrustState {
  const leaf = new X509Certificate(certificate);
  const all = certificatesIn(authorities);
  const issuer = all.find((one) => {
    const ca = new X509Certificate(one);
    return leaf.checkIssued(ca) && leaf.verify(ca.publicKey);
  });
  return { issuer: issuer === undefined ? '' : digestOf(issuer), trust: all.map(digestOf).sort() };
}

export const sameTrust = (a: TrustState, b: TrustState): boolean =>
  a.issuer === b.issuer && a.trust.join() === b.trust.join();

/** Until when it is valid. */
export const endOfCertificate = (pem: string): Date => new Date(new X509Certificate(pem).validTo);
