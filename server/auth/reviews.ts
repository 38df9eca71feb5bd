/** Reviews: may I do this, what may I do, who am I. */
import { isObject, own, type JsonObject } from '../apply/value.ts';
import { textAt } from '../resources/input.ts';
import type { Identity, Reply } from '../types.ts';
import { authorize, nodeOf, ownNodeVerbs, type Access } from './authorize.ts';
import { adminGroup, groupsShown } from './identity.ts';

/** The kind of body that a review path takes; undefined when the path is none. */
export function reviewKind(path: string): string | undefined {
  return Object.hasOwn(paths, path) ? paths[path] : undefined;
}

const paths: Readonly<Record<string, string>> = {
  '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews': 'SelfSubjectAccessReview',
  '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews': 'SelfSubjectRulesReview',
  '/apis/authentication.k8s.io/v1/selfsubjectreviews': 'SelfSubjectReview',
};

const child = (object: JsonObject, key: string): JsonObject | undefined => {
  const value = own(object, key);
  return isObject(value) ? value : undefined;
};

export function review(kind: string, body: JsonObject, identity: Identity): Reply {
  const spec = child(body, 'spec') ?? {};
  const group = kind === 'SelfSubjectReview' ? 'authentication.k8s.io' : 'authorization.k8s.io';
  const answer = (status: object): Reply => ({
    code: 201,
    body: { kind, apiVersion: `${group}/v1`, metadata: { creationTimestamp: null }, spec, status },
  });
  switch (kind) {
    case 'SelfSubjectAccessReview': {
      const decision = authorize(identity, accessOf(spec));
      return answer({ allowed: decision.allowed, reason: decision.reason });
    }
    case 'SelfSubjectRulesReview':
      return answer(rulesOf(identity));
    default:
      return answer({ userInfo: { username: identity.name, groups: groupsShown(identity) } });
  }
}

function accessOf(spec: JsonObject): Access {
  const path = child(spec, 'nonResourceAttributes');
  if (path !== undefined) return { kind: 'path', verb: textAt(path, 'verb'), path: textAt(path, 'path') };
  const resource = child(spec, 'resourceAttributes') ?? {};
  return {
    kind: 'resource',
    verb: textAt(resource, 'verb'),
    group: textAt(resource, 'group'),
    resource: textAt(resource, 'resource'),
    subresource: textAt(resource, 'subresource'),
    namespace: textAt(resource, 'namespace'),
    name: textAt(resource, 'name'),
  };
}

function rulesOf(identity: Identity): object {
  const all = identity.groups.includes(adminGroup);
  const node = nodeOf(identity);
  const own = { verbs: ownNodeVerbs, apiGroups: ['orc.dev'], resources: ['nodes'], resourceNames: [node] };
  return {
    resourceRules: [
      ...(all ? [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }] : []),
      ...(node === undefined ? [] : [own]),
    ],
    nonResourceRules: [
      ...(all ? [{ verbs: ['*'], nonResourceURLs: ['*'] }] : []),
      { verbs: ['get'], nonResourceURLs: ['/healthz', '/livez', '/readyz', '/version'] },
    ],
    incomplete: false,
  };
}
