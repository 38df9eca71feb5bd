import { X509Certificate } from 'node:crypto';
import { certificatesIn, digestOf, trustStateOf, type TrustState } from '../../kit/certificate.ts';

/**
 * Whether that would be a step back from what a node has: it knows nothing that the node does not, and lacks a newer CA
 * than all that are in it, or goes back to an older one. A server that was cut off while the CA was replaced says so;
 * who followed it would be cut off with it. Pure.
 */
export function isStepBack(
  next: TrustState,
  { ca, cert }: { readonly ca: string; readonly cert: string },
): boolean {
  const from = new Map(
    certificatesIn(ca).map((one) => [digestOf(one), Date.parse(new X509Certificate(one).validFrom)]),
  );
  if (!next.trust.every((digest) => from.has(digest))) return false;
  const ageOf = (digest: string): number => from.get(digest) ?? 0;
  const newest = Math.max(...next.trust.map(ageOf));
  const lacksNewer = [...from].some(([digest, at]) => !next.trust.includes(digest) && at > newest);
  return lacksNewer || ageOf(next.issuer) < ageOf(trustStateOf(cert, ca).issuer);
}
