/** Pure decisions about an object's next version. */
import type { Obj } from '../api-schemas/index.ts';
import { conflict } from './errors.ts';
import type { ObjectRef, RemoveOptions } from './types.ts';

/** The JSON that is stored: the resourceVersion is etcd's own to know. */
export const storedForm = (object: Obj): string =>
  JSON.stringify({ ...object, metadata: { ...object.metadata, resourceVersion: undefined } });

/** Equal as JSON: the order of keys does not count, and `undefined` is absence. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, i) => sameJson(item, b[i]));
  }
  const left = a as Readonly<Record<string, unknown>>;
  const right = b as Readonly<Record<string, unknown>>;
  for (const key in left) if (!sameJson(left[key], right[key])) return false;
  for (const key in right) if (right[key] !== undefined && left[key] === undefined) return false;
  return true;
}

/** The same but for the resourceVersion. */
export function sameObject(a: Obj, b: Obj): boolean {
  return (
    sameJson({ ...a, metadata: undefined }, { ...b, metadata: undefined }) &&
    sameJson({ ...a.metadata, resourceVersion: undefined }, { ...b.metadata, resourceVersion: undefined })
  );
}

/** `wanted` with the identity of `current`; `generation` rises when more than metadata and status differs. */
export function nextVersion<T extends Obj>(current: T, wanted: T): T {
  const { uid, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation, generateName } =
    current.metadata;
  const body = (object: T): object => ({ ...object, metadata: undefined, status: undefined });
  const changed = !sameJson(body(current), body(wanted));
  return {
    ...wanted,
    metadata: {
      ...wanted.metadata,
      uid,
      creationTimestamp,
      deletionTimestamp,
      deletionGracePeriodSeconds,
      generateName,
      generation: changed ? (generation ?? 0) + 1 : generation,
    },
  };
}

const foreground = 'foregroundDeletion';
const orphan = 'orphan';

/** The finalizers of an object that is being deleted this way. */
export function finalizersFor(object: Obj, propagation: RemoveOptions['propagation']): readonly string[] {
  const finalizers = object.metadata.finalizers ?? [];
  if (propagation === undefined) return finalizers;
  const others = finalizers.filter((finalizer) => finalizer !== foreground && finalizer !== orphan);
  switch (propagation) {
    case 'Background':
      return others;
    case 'Foreground':
      return [...others, foreground];
    case 'Orphan':
      return [...others, orphan];
  }
}

/** Throws Conflict when the object is not the one meant. */
export function checkPreconditions(
  ref: ObjectRef,
  { metadata }: Obj,
  { uid, resourceVersion }: Pick<RemoveOptions, 'uid' | 'resourceVersion'>,
): void {
  if (uid !== undefined && uid !== metadata.uid)
    throw conflict(
      ref,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid ?? ''}`,
    );
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion)
    throw conflict(
      ref,
      `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion ?? ''}`,
    );
}
