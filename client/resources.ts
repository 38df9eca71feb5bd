import { kindByName } from '../api-schemas/kinds.ts';
import type { KindName } from '../api-schemas/index.ts';

export const isKind = (kind: string): kind is KindName => kindByName(kind) !== undefined;

export interface PathRef {
  /** Absent for cluster-scoped kinds; for a list of a namespaced kind, absent means all namespaces. */
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

/** The URL path of an object or collection, as Kubernetes lays them out. The namespace of a named object is `default` when absent. */
export function pathOf(kind: KindName, ref: PathRef = {}): string {
  const { group, version, plural, namespaced } = kindByName(kind);
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
