/**
 * Who may do what. Today two groups are known: `system:masters` may do all, `system:nodes` may only hold its
 * session. Roles take this function's place, not its shape.
 */
import { ApiError } from '../../kit/errors.ts';
import type { Identity } from '../types.ts';
import { adminGroup, nodesGroup } from './identity.ts';

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

const isSession = (path: string): boolean => path === sessionPath || path.startsWith(`${sessionPath}/`);

export function authorize(identity: Identity, access: Access): Decision {
  if (access.kind === 'path' && isOpen(access.path)) return { allowed: true, reason: 'open to all' };
  if (access.kind === 'path' && access.path === `${clusterPath}renew`) {
    return identity.groups.includes(nodesGroup)
      ? { allowed: true, reason: 'a node renews its certificate' }
      : { allowed: false, reason: 'only nodes renew their certificates here' };
  }
  if (access.kind === 'path' && isSession(access.path)) {
    return identity.groups.includes(nodesGroup)
      ? { allowed: true, reason: 'a node holds its session' }
      : { allowed: false, reason: 'only nodes hold sessions' };
  }
  if (identity.groups.includes(adminGroup)) return { allowed: true, reason: `member of ${adminGroup}` };
  return {
    allowed: false,
    reason: identity.groups.includes(nodesGroup)
      ? 'a node may only hold its session'
      : `not a member of ${adminGroup}`,
  };
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
