/**
 * How a machine becomes a node: `GET /cluster/v1/ca`, `GET /cluster/v1/challenge`, `POST /cluster/v1/join`; and
 * how a node gets its next certificate: `POST /cluster/v1/renew`.
 *
 * The request names a public key and is signed with its private half over a challenge that the server gave just
 * before, so a request that is sent again, or by someone who only saw it, is worth nothing.
 */

export type NodeRole = 'manager' | 'worker';

/** A join token, taken apart. */
export interface JoinToken {
  readonly role: NodeRole;
  /** SHA-256 of the CA's certificate (DER), hex. */
  readonly caDigest: string;
  readonly secret: string;
}

export interface Proof {
  /** SPKI PEM of an ECDSA P-256 key. */
  readonly publicKey: string;
  readonly challenge: string;
  /** Base64; ECDSA with SHA-256 over `proofText`. */
  readonly signature: string;
}

export interface JoinRequest extends Proof {
  readonly token: string;
  readonly nodeName: string;
  /** Labels a new Node starts with. */
  readonly labels?: Readonly<Record<string, string>>;
}

export interface JoinAnswer {
  /** PEM certificates to trust. */
  readonly ca: string;
  /** What the cluster's containers are known by on engines. */
  readonly clusterId?: string;
  readonly certificate: string;
  readonly nodeName: string;
  readonly role: NodeRole;
  /** `https://host:port` of all managers. */
  readonly servers: readonly string[];
  /** For managers only: the CA's private key. */
  readonly caKey?: string;
}

export interface RenewAnswer {
  readonly ca: string;
  readonly certificate: string;
}

/** What the proof of a join or a renewal is a signature of. */
export const proofText = (challenge: string, nodeName: string): string =>
  `orc join 1\n${challenge}\n${nodeName}`;

const form = /^orc1-(worker|manager)-([0-9a-f]{64})-([A-Za-z0-9_-]{43})$/;

export const formatToken = ({ role, caDigest, secret }: JoinToken): string =>
  `orc1-${role}-${caDigest}-${secret}`;

/** Undefined when the text is no token (white space around it does not count). */
export function parseToken(text: string): JoinToken | undefined {
  const [, role, caDigest, secret] = form.exec(text.trim()) ?? [];
  if (role === undefined || caDigest === undefined || secret === undefined) return undefined;
  return { role: role as NodeRole, caDigest, secret };
}
