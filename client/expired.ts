import { X509Certificate } from 'node:crypto';

/**
 * What a person does about a node's certificate that has run out: one command, which finds the node's key and name.
 * Undefined while it is good.
 */
export function expiredText(cert: string, servers: readonly string[], nowMs: number): string | undefined {
  const end = new Date(new X509Certificate(cert).validTo);
  if (nowMs < end.getTime()) return undefined;
  const addresses = servers.map((server) => server.replace(/^https:\/\//, '')).join(',');
  return (
    `the certificate of this node ran out on ${end.toISOString()}: stop orc here, then join again with ` +
    `\`orc join --token TOKEN ${addresses}\` (\`orc token show\` on a manager prints the token); ` +
    'the node keeps its name and its containers'
  );
}
