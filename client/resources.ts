import type { KindName } from '../api-schemas/index.ts';

interface Resource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

const orc = (plural: string, namespaced = true): Resource => ({
  group: 'orc.dev',
  version: 'v1',
  plural,
  namespaced,
});

const resources: Readonly<Record<KindName, Resource>> = {
  Stack: orc('stacks'),
  Service: orc('services'),
  Revision: orc('revisions'),
  Task: orc('tasks'),
  Endpoints: orc('endpoints'),
  Node: orc('nodes', false),
  Namespace: { group: '', version: 'v1', plural: 'namespaces', namespaced: false },
  Event: { group: '', version: 'v1', plural: 'events', namespaced: true },
  Lease: { group: 'coordination.k8s.io', version: 'v1', plural: 'leases', namespaced: true },
};

export const isKind = (kind: string): kind is KindName => Object.hasOwn(resources, kind);

export interface PathRef {
  /** Absent for cluster-scoped kinds; for a list of a namespaced kind, absent means all namespaces. */
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

/** The URL path of an object or collection, as Kubernetes lays them out. The namespace of a named object is `default` when absent. */
export function pathOf(kind: KindName, ref: PathRef = {}): string {
  const { group, version, plural, namespaced } = resources[kind];
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const namespace = namespaced
    ? (ref.namespace ?? (ref.name === undefined ? undefined : 'default'))
    : undefined;
  const parts = [
    ...(namespace === undefined ? [] : ['namespaces', namespace]),
    plural,
    ...(ref.name === undefined ? [] : [ref.name]),
    ...(ref.subresource === undefined ? [] : [ref.subresource]),
  ];
  return `${root}/${parts.map(encodeURIComponent).join('/')}`;
}
