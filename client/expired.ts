import { endOfCertificate } from '../kit/certificate.ts';

/** OpenSSL's words for a server whose certificate is of no CA that is trusted. */
export const untrusted: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
]);

/** What a node does whose servers have another CA by now than it knows; as a worker, and as a manager. */
export const untrustedText = (server: string): string =>
  `${server} has a certificate of a CA that this node does not trust: the CA was replaced while the node was away, or ` +
  'another cluster answers there. If it is the first, and this is a worker: stop orc here, then join again with ' +
  `\`orc join --token TOKEN ${server.replace(/^https:\/\//, '')}\` (\`orc token show\` on a manager prints the token); ` +
  'it keeps its name and its containers. If this is a manager: stop orc here, `orc node rm` with its name on another ' +
  'manager, `orc leave --force` here, then `orc join`';

/**
 * What a person does about a node's certificate that has run out: one command, which finds the node's key and name.
 * Undefined while it is good.
 */
export function expiredText(cert: string, servers: readonly string[], nowMs: number): string | undefined {
  const end = endOfCertificate(cert);
  if (nowMs < end.getTime()) return undefined;
  const addresses = servers.map((server) => server.replace(/^https:\/\//, '')).join(',');
  return (
    `the certificate of this node ran out on ${end.toISOString()}: stop orc here, then join again with ` +
    `\`orc join --token TOKEN ${addresses}\` (\`orc token show\` on a manager prints the token); ` +
    'the node keeps its name and its containers'
  );
}
