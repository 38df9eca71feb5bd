/**
 * Who may do what. `system:masters` may do all but what is between managers or a node's own; a member of
 * `system:nodes` may hold its session, renew its certificate, read its own Node and delete it (it leaves), and say how
 * its role changes; `system:servers`, the managers' servers, give each other the CA that is to issue next, and say which
 * nodes have loaded all Endpoints. Roles take this function's place, not its shape.
 */
import { ApiError } from '../../kit/errors.ts';
import { loadedPath, nodeUserPrefix } from '../session/types.ts';
import type { Identity } from '../types.ts';
import { adminGroup, nodesGroup, serversGroup } from './identity.ts';

/** What is asked for: a verb on a resource, or on a path that is none. */
export type Access =
  | {
      readonly kind: 'resource';
      readonly verb: string;
      readonly group: string;
      readonly resource: string;
      readonly subresource?: string;
      readonly namespace?: string;
      readonly name?: string;
    }
  | { readonly kind: 'path'; readonly verb: string; readonly path: string };

export type Decision =
  { readonly allowed: true; readonly reason: string } | { readonly allowed: false; readonly reason: string };

/** Paths that need no certificate, and are answered however busy the server is. */
export const healthPaths: readonly string[] = ['/healthz', '/livez', '/readyz', '/version'];
export const clusterPath = '/cluster/v1/';
/** Who joins has no certificate yet: a token and a proof take its place. */
const joinPaths: readonly string[] = ['ca', 'challenge', 'join'].map((name) => clusterPath + name);
export const isOpen = (path: string): boolean => healthPaths.includes(path) || joinPaths.includes(path);
export const sessionPath = '/session/v1';
const nodePaths: readonly string[] = ['renew', 'promote', 'role'].map((name) => clusterPath + name);
/** It gives the key of a CA: to managers alone, as a copy of an admin's certificate is on many a laptop. */
const nextCaPath = `${clusterPath}next-ca`;

export const isSession = (path: string): boolean =>
  path === sessionPath || path.startsWith(`${sessionPath}/`);

export function authorize(identity: Identity, access: Access): Decision {
  if (access.kind === 'path' && isOpen(access.path)) return { allowed: true, reason: 'open to all' };
  if (access.kind === 'path' && nodePaths.includes(access.path)) {
    return identity.groups.includes(nodesGroup)
      ? { allowed: true, reason: 'a node speaks for itself' }
      : { allowed: false, reason: 'only nodes ask for that, with their own certificates' };
  }
  if (access.kind === 'path' && access.path === nextCaPath) {
    return identity.groups.includes(serversGroup)
      ? { allowed: true, reason: 'a manager follows a replacement of the CA' }
      : { allowed: false, reason: 'only managers ask for that, with the certificates of their servers' };
  }
  if (access.kind === 'path' && access.path === loadedPath) {
    return identity.groups.includes(serversGroup)
      ? { allowed: true, reason: 'a manager asks what the nodes of another have loaded' }
      : { allowed: false, reason: 'only managers ask for that, with the certificates of their servers' };
  }
  if (access.kind === 'path' && isSession(access.path)) {
    return identity.groups.includes(nodesGroup)
      ? { allowed: true, reason: 'a node holds its session' }
      : { allowed: false, reason: 'only nodes hold sessions' };
  }
  if (identity.groups.includes(adminGroup)) return { allowed: true, reason: `member of ${adminGroup}` };
  if (!identity.groups.includes(nodesGroup))
    return { allowed: false, reason: `not a member of ${adminGroup}` };
  return isOwnNode(identity, access)
    ? { allowed: true, reason: 'a node may read its own Node, and delete it' }
    : { allowed: false, reason: 'a node may only hold its session, and read and delete its own Node' };
}

/** Name of the node whose certificate it is; undefined for who is none. */
export const nodeOf = ({ name, groups }: Identity): string | undefined =>
  groups.includes(nodesGroup) && name.startsWith(nodeUserPrefix)
    ? name.slice(nodeUserPrefix.length)
    : undefined;

export const ownNodeVerbs: readonly string[] = ['get', 'list', 'watch', 'delete'];

/** A list or watch is of one object when its field selector names it; see `accessOf` of the handler. */
function isOwnNode(identity: Identity, access: Access): boolean {
  const own = nodeOf(identity);
  return (
    own !== undefined &&
    own !== '' &&
    access.kind === 'resource' &&
    access.group === 'orc.dev' &&
    access.resource === 'nodes' &&
    (access.subresource ?? '') === '' &&
    access.name === own &&
    ownNodeVerbs.includes(access.verb)
  );
}

export function forbidden(identity: Identity, access: Access, reason: string): ApiError {
  const who = `User ${JSON.stringify(identity.name)} cannot ${access.verb}`;
  if (access.kind === 'path')
    return new ApiError(403, `forbidden: ${who} path ${JSON.stringify(access.path)}: ${reason}`);
  const { group, resource, subresource, namespace, name } = access;
  const full = group === '' ? resource : `${resource}.${group}`;
  const where =
    namespace === undefined || namespace === ''
      ? 'at the cluster scope'
      : `in the namespace ${JSON.stringify(namespace)}`;
  const what = subresource === undefined || subresource === '' ? resource : `${resource}/${subresource}`;
  return new ApiError(
    403,
    `${full}${name === undefined || name === '' ? '' : ` ${JSON.stringify(name)}`} is forbidden: ${who} resource ${JSON.stringify(what)} in API group ${JSON.stringify(group)} ${where}: ${reason}`,
    { details: { ...(name === undefined || name === '' ? {} : { name }), group, kind: resource } },
  );
}

export const unauthorized = (): ApiError => new ApiError(401, 'Unauthorized');
