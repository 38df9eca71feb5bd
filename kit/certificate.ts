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
