import { createPrivateKey, hkdfSync, timingSafeEqual } from 'node:crypto';
import { formatToken, parseToken, type NodeRole } from '../../api-schemas/join.ts';

import { digestOf } from '../../kit/certificate.ts';

/** PEM texts of the cluster's CA. */
export interface Ca {
  readonly cert: string;
  readonly key: string;
}

/**
 * The join token of a role. It follows from the CA's key, so every manager gives the same one and it is stored
 * nowhere; another generation makes another token. (HKDF, RFC 5869.)
 */
export function tokenOf(ca: Ca, role: NodeRole, generation: number): string {
  const key = createPrivateKey(ca.key).export({ type: 'pkcs8', format: 'der' });
  const secret = hkdfSync('sha256', key, 'orc join token', `${role} ${generation}`, 32);
  return formatToken({
    role,
    caDigest: digestOf(ca.cert),
    secret: Buffer.from(secret).toString('base64url'),
  });
}

export type TokenVerdict =
  | { readonly role: NodeRole }
  | { readonly refused: 'malformed' | 'otherCluster' | 'wrong'; readonly message: string };

/** Says what a token allows. Takes as long for a wrong secret as for the right one. */
export function checkToken(text: string, ca: Ca, generationOf: (role: NodeRole) => number): TokenVerdict {
  const token = parseToken(text);
  if (token === undefined) {
    return { refused: 'malformed', message: 'this is no join token: `orc token show worker` prints one' };
  }
  const { role } = token;
  if (token.caDigest !== digestOf(ca.cert)) {
    return {
      refused: 'otherCluster',
      message: `the token is of another cluster, or the CA was replaced since (\`orc ca rotate\`): \`orc token show ${role}\` on a manager prints the present one`,
    };
  }
  const expected = Buffer.from(tokenOf(ca, role, generationOf(role)));
  const given = Buffer.from(text.trim());
  if (given.length === expected.length && timingSafeEqual(given, expected)) return { role };
  return {
    refused: 'wrong',
    message: `the token was rotated, or is wrong: \`orc token show ${role}\` on a manager prints the present one`,
  };
}
