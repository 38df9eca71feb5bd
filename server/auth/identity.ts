/** Who asks, from the client certificate. */
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { ApiError } from '../../kit/errors.ts';
import { digestOfKey } from '../pki/index.ts';
import type { Identity } from '../types.ts';

export const adminGroup = 'system:masters';
export const nodesGroup = 'system:nodes';
/** Servers of the cluster; they may ask in the name of others, and in their own for the CA that is to issue next. */
export const serversGroup = 'system:servers';

const userHeader = 'x-orc-user';
const groupsHeader = 'x-orc-group';

const known = new WeakMap<TLSSocket, Identity | undefined>();

/** CN and O of a verified certificate; undefined when there is none (anonymous). Read once per connection. */
export function identityOf(socket: TLSSocket): Identity | undefined {
  if (!known.has(socket)) known.set(socket, read(socket));
  return known.get(socket);
}

/** From now on whoever asks on this connection is nobody: the CA of its certificate is not trusted any more. */
export const forgetIdentity = (socket: TLSSocket): void => void known.set(socket, undefined);

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

/** The headers by which a server asks another one in the name of a caller. */
export const headersFor = ({ name, groups }: Identity): Readonly<Record<string, string>> => ({
  [userHeader]: encodeURIComponent(name),
  [groupsHeader]: groups.map(encodeURIComponent).join(','),
});

/** Whether another server asks, in the name of a caller of its own. */
export const isRelayed = (request: IncomingMessage): boolean =>
  request.headers[userHeader] !== undefined || request.headers[groupsHeader] !== undefined;

/**
 * Who asks: whose certificate it is, or whom the server stands for whose certificate it is. Undefined when there is
 * no certificate. Throws 403 when someone else than a server speaks for others, 400 for names that are none.
 */
export function callerOf(request: IncomingMessage): Identity | undefined {
  const identity = identityOf(request.socket as TLSSocket);
  if (!isRelayed(request)) return identity;
  if (identity?.groups.includes(serversGroup) !== true)
    throw new ApiError(403, `forbidden: only servers of the cluster set ${userHeader} and ${groupsHeader}`);
  const name = decoded(request.headers[userHeader]);
  if (name === '') throw new ApiError(400, `${userHeader}: expected a name`);
  const groups = String(request.headers[groupsHeader] ?? '')
    .split(',')
    .map(decoded);
  return { name, groups: groups.filter((group) => group !== '') };
}

function decoded(value: string | readonly string[] | undefined): string {
  try {
    return decodeURIComponent(String(value ?? ''));
  } catch (error) {
    throw new ApiError(400, `${userHeader}, ${groupsHeader}: the encoding is not valid`, { cause: error });
  }
}

export const groupsShown = (identity: Identity): readonly string[] => [
  ...identity.groups,
  'system:authenticated',
];
