/** Who asks, from the client certificate. */
import type { TLSSocket } from 'node:tls';
import { digestOfKey } from '../pki/index.ts';
import type { Identity } from '../types.ts';

export const adminGroup = 'system:masters';
export const nodesGroup = 'system:nodes';

const known = new WeakMap<TLSSocket, Identity | undefined>();

/** CN and O of a verified certificate; undefined when there is none (anonymous). Read once per connection. */
export function identityOf(socket: TLSSocket): Identity | undefined {
  if (!known.has(socket)) known.set(socket, read(socket));
  return known.get(socket);
}

function read(socket: TLSSocket): Identity | undefined {
  if (!socket.authorized) return undefined;
  const { subject } = socket.getPeerCertificate() as { subject?: { CN?: unknown; O?: unknown } };
  const names = (value: unknown): readonly string[] =>
    (Array.isArray(value) ? value : [value]).filter(
      (one): one is string => typeof one === 'string' && one !== '',
    );
  const [name] = names(subject?.CN);
  if (name === undefined) return undefined;
  const key = socket.getPeerX509Certificate()?.publicKey;
  return {
    name,
    groups: names(subject?.O),
    ...(key === undefined ? {} : { keyDigest: digestOfKey(key) }),
  };
}

export const groupsShown = (identity: Identity): readonly string[] => [
  ...identity.groups,
  'system:authenticated',
];
