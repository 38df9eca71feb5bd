/** Discovery: `/api` and `/apis`, per group for old clients, all at once (aggregated) for new ones. */
import { parseAccept } from '../http/media.ts';
import type { Reply } from '../types.ts';
import { groups, type Group, type Resource } from './resources.ts';

/** Answers a discovery path; undefined when it is none. */
export function discovery(path: string, accept: string | undefined): Reply | undefined {
  const parts = path.split('/').slice(1);
  const [root, group, version, ...more] = parts;
  if (more.length > 0) return undefined;
  if (root === 'api') {
    if (group === undefined) return aggregated(accept, true) ?? { code: 200, body: coreVersions };
    return version === undefined ? resourceList('', group) : undefined;
  }
  if (root !== 'apis') return undefined;
  if (group === undefined) return aggregated(accept, false) ?? { code: 200, body: groupList() };
  if (version === undefined) {
    const found = named(group);
    return found === undefined
      ? undefined
      : { code: 200, body: { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(found) } };
  }
  return resourceList(group, version);
}

const coreVersions = {
  kind: 'APIVersions',
  versions: ['v1'],
  serverAddressByClientCIDRs: [],
};

const named = (group: string): Group | undefined =>
  group === '' ? undefined : groups.find((one) => one.group === group);

function groupOf({ group, version }: Group): object {
  const preferred = { groupVersion: `${group}/${version}`, version };
  return { name: group, versions: [preferred], preferredVersion: preferred };
}

const groupList = (): object => ({
  kind: 'APIGroupList',
  apiVersion: 'v1',
  groups: groups.filter(({ group }) => group !== '').map(groupOf),
});

function resourceList(group: string, version: string): Reply | undefined {
  const found = groups.find((one) => one.group === group && one.version === version);
  if (found === undefined) return undefined;
  const resources = found.resources.flatMap((resource) => [
    {
      name: resource.plural,
      singularName: resource.singular,
      namespaced: resource.namespaced,
      kind: resource.kind,
      verbs: resource.verbs,
      ...optional(resource),
    },
    ...resource.subresources.map(({ name, kind, verbs }) => ({
      name: `${resource.plural}/${name}`,
      singularName: '',
      namespaced: resource.namespaced,
      ...(kind.group === group && kind.version === version
        ? {}
        : { group: kind.group, version: kind.version }),
      kind: kind.kind,
      verbs,
    })),
  ]);
  const groupVersion = group === '' ? version : `${group}/${version}`;
  return { code: 200, body: { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources } };
}

const optional = ({ shortNames, categories }: Resource): object => ({
  ...(shortNames.length === 0 ? {} : { shortNames }),
  ...(categories.length === 0 ? {} : { categories }),
});

/** The aggregated list when the client asks for it in a version we have; its type must be repeated exactly. */
function aggregated(accept: string | undefined, core: boolean): Reply | undefined {
  for (const { type, params } of parseAccept(accept)) {
    if (type !== 'application/json') continue;
    const { g: group, v: version, as } = params;
    if (as === undefined) return undefined;
    if (group !== 'apidiscovery.k8s.io' || as !== 'APIGroupDiscoveryList') continue;
    if (version !== 'v2' && version !== 'v2beta1') continue;
    const items = groups.filter((one) => (one.group === '') === core).map(discovered);
    return {
      code: 200,
      body: {
        kind: 'APIGroupDiscoveryList',
        apiVersion: `apidiscovery.k8s.io/${version}`,
        metadata: {},
        items,
      },
      type: `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
      headers: { Vary: 'Accept' },
    };
  }
  return undefined;
}

function discovered({ group, version, resources }: Group): object {
  return {
    metadata: group === '' ? { creationTimestamp: null } : { name: group, creationTimestamp: null },
    versions: [
      {
        version,
        freshness: 'Current',
        resources: resources.map((resource) => ({
          resource: resource.plural,
          responseKind: { group, version, kind: resource.kind },
          scope: resource.namespaced ? 'Namespaced' : 'Cluster',
          singularResource: resource.singular,
          verbs: resource.verbs,
          ...optional(resource),
          ...(resource.subresources.length === 0
            ? {}
            : {
                subresources: resource.subresources.map(({ name, kind, verbs }) => ({
                  subresource: name,
                  responseKind: kind,
                  verbs,
                })),
              }),
        })),
      },
    ],
  };
}
