import { createHash } from 'node:crypto';
import type { Obj, OwnerReference } from '../../api-schemas/index.ts';

export const apiVersion = 'orc.dev/v1';

export const label = {
  stack: 'orc.dev/stack',
  service: 'orc.dev/service',
  slot: 'orc.dev/slot',
  revision: 'orc.dev/revision',
} as const;

export const annotation = {
  /** On a Service made from a Stack: hash of the expansion that was last written. */
  appliedHash: 'orc.dev/applied-hash',
  /** On a Task: its place in the sequence of its slot's tasks, from 1. Orders tasks made within one second. */
  run: 'orc.dev/run',
} as const;

export const finalizer = {
  stack: 'orc.dev/stack',
  container: 'orc.dev/container',
  network: 'orc.dev/network',
  namespace: 'orc.dev/namespace',
  foreground: 'foregroundDeletion',
  orphan: 'orphan',
} as const;

/** First `length` hex digits of the SHA-256 of the parts. */
export const shortHash = (length: number, ...parts: readonly string[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, length);

/** `namespace/name`, or the name of a cluster-scoped object. */
export const keyOf = (object: Obj): string => joinKey(object.metadata.namespace ?? '', object.metadata.name);

export const joinKey = (namespace: string, name: string): string =>
  namespace === '' ? name : `${namespace}/${name}`;

export function splitKey(key: string): { readonly namespace: string; readonly name: string } {
  const slash = key.indexOf('/');
  return slash < 0
    ? { namespace: '', name: key }
    : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** `Kind/namespace/name`, as logs and messages name an object. */
export const describeObject = (object: Obj): string => `${object.kind}/${keyOf(object)}`;

export const ownerOf = (object: Obj): OwnerReference | undefined =>
  object.metadata.ownerReferences?.find((reference) => reference.controller === true);

export const isOwnedBy = (object: Obj, owner: Obj): boolean =>
  object.metadata.ownerReferences?.some((r) => r.uid === owner.metadata.uid) ?? false;

export const ownerReference = (owner: Obj): OwnerReference => ({
  apiVersion: owner.apiVersion,
  kind: owner.kind,
  name: owner.metadata.name,
  uid: owner.metadata.uid ?? '',
  controller: true,
  blockOwnerDeletion: true,
});

export const isDeleting = (object: Obj): boolean => object.metadata.deletionTimestamp !== undefined;

/** Cuts a name so that `suffix` still fits into the 63 characters of a DNS label. */
export const nameWithSuffix = (base: string, suffix: string, max = 63): string =>
  `${base.slice(0, max - suffix.length - 1)}-${suffix}`;
